"""docs/aws.md does what it says: its commands and its Python run one after the other, against the test's servers."""

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import boto3
import pytest

from relens.deliver import create_repository, make_keys
from relens.deliver.aws_policy import DEVICE, OPERATOR
from relens.deliver.greengrass import Clients

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
PAGE = (Path(__file__).parents[2] / "docs/aws.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^ {7}(relens .+)$", PAGE, re.MULTILINE)
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"```python\n(.*?)\n *```", PAGE, re.DOTALL)]


def test_the_guide_runs_as_it_stands(bundles, clients, cloud, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("RELENS_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    (tmp_path / "passphrase").write_text("correct horse")
    create_repository(tmp_path / "repository", make_keys(tmp_path / "config/relens/keys", "correct horse"))
    shutil.copy(bundles[0].path, "my_model.relens")
    place = {"LocationConstraint": "eu-west-1"}
    boto3.client("s3").create_bucket(Bucket="yard-cams", CreateBucketConfiguration=place)
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        words = [sys.executable, "-m", "relens", *shlex.split(command)[1:]]
        done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    monkeypatch.setattr(Clients, "of", lambda *_: clients)
    named: dict[str, object] = {}
    deploy, look = BLOCKS
    (tmp_path / "unpacked").mkdir()
    exec(deploy, named)
    cloud.groups["arn:aws:iot:eu-west-1:000000000000:thinggroup/yard"] = ["cam-1"]
    with pytest.raises(Exception, match="held no bundle before"):
        exec(look, named)
    said = capsys.readouterr().out
    assert f"greengrass:thinggroup/yard: {bundles[0].sha256[:12]}" in said and "cam-1 away" in said


def test_every_permission_is_on_the_page():
    for one in (*OPERATOR, *DEVICE):
        assert one.action in PAGE or f"`{one.action.partition(':')[2]}`" in PAGE, one.action
