"""docs/aws.md does what it says: its commands run one after the other, against the test's servers."""

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import boto3
import pytest

from relens.cli import app
from relens.deliver import create_repository, make_keys
from relens.deliver.aws_policy import DEVICE, OPERATOR
from relens.deliver.cloud import Cloud
from relens.deliver.greengrass import Clients
from relens.errors import DeliveryTrouble

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
PAGE = (Path(__file__).parents[2] / "docs/aws.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {7}(relens .+)$", PAGE, re.MULTILINE)
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"```toml\n(.*?)\n *```", PAGE, re.DOTALL)]


def test_the_guide_runs_as_it_stands(bundles, clients, cloud, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RELENS_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    (tmp_path / "passphrase").write_text("correct horse")
    create_repository(tmp_path / "repository", make_keys(tmp_path / "config/relens/keys", "correct horse"))
    shutil.copy(bundles[0].path, "my_model.relens")
    place = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3").create_bucket(Bucket="yard-cams", CreateBucketConfiguration=place)
    for command in COMMANDS[:2]:
        words = [sys.executable, "-m", "relens", *shlex.split(command)[1:]]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{command}\n{done.stderr}"

    monkeypatch.setattr(Clients, "of", lambda *_: clients)
    monkeypatch.setattr(Cloud, "look_s", 0.05)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (settings,) = BLOCKS
    (tmp_path / "fleet.toml").write_text(settings)
    cloud.groups["arn:aws:iot:eu-west-1:000000000000:thinggroup/yard"] = ["cam-1"]
    camera = threading.Thread(target=confirms, args=(cloud,))
    camera.start()
    for words in map(shlex.split, COMMANDS[2:4]):
        app(words[1:], standalone_mode=False)
    camera.join(10)
    with pytest.raises(DeliveryTrouble, match="held no bundle before"):
        app(shlex.split(COMMANDS[4])[1:], standalone_mode=False)

    said = capsys.readouterr().out
    assert said.count("cam-1   confirmed  " + bundles[0].sha256[:12]) == 2, said
    assert len(COMMANDS) == 5


def confirms(cloud) -> None:
    """As a camera does some time after it was told."""
    end_s = time.monotonic() + 30
    while not cloud.deployments and time.monotonic() < end_s:
        time.sleep(0.05)
    cloud.heard("cam-1", "deployment-1", "IN_PROGRESS")
    time.sleep(0.3)
    cloud.heard("cam-1", "deployment-1", "SUCCEEDED")


def test_every_permission_is_on_the_page():
    for one in (*OPERATOR, *DEVICE):
        assert one.action in PAGE or f"`{one.action.partition(':')[2]}`" in PAGE, one.action
