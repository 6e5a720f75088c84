"""The guide's commands run as they stand, one after the other, and its tables say what the code does."""

import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from relens.legacy.samples import Samples

PAGE = (Path(__file__).parents[2] / "docs/legacy.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in PAGE.splitlines() if line.startswith("    relens ")]
FUNCTION = """
import awscam, cv2, greengrasssdk, mo
error, path = mo.optimize('my_model', 224, 224)
model = awscam.Model(path, {'GPU': 1})
while True:
    ret, frame = awscam.getLastFrame()
    top = model.parseResult('classification', model.doInference(cv2.resize(frame, (224, 224))))['classification'][0]
    greengrasssdk.client('iot-data').publish(topic='t', payload=str(top['label']))
"""


def test_the_commands_of_the_guide_run(flowers_graph: Path, shared_data: Path, pictures: Path, tmp_path: Path) -> None:
    shutil.copy(flowers_graph, tmp_path / "my_model.tflite")
    shutil.copy(shared_data / "flowers/classes.txt", tmp_path / "labels.txt")
    (tmp_path / "pictures").symlink_to(pictures)
    (tmp_path / "models").mkdir()
    (tmp_path / "lambda_function.py").write_text(FUNCTION)
    with zipfile.ZipFile(tmp_path / "lambda.zip", "w") as archive:
        archive.writestr("lambda_function.py", FUNCTION)
    assert len(COMMANDS) == 3
    for command in COMMANDS:
        words = [sys.executable, "-m", *shlex.split(command)]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_table_of_samples_is_that_of_the_code(tmp_path: Path) -> None:
    samples = Samples.read(tmp_path)
    rows = dict(re.findall(r"^\| `(mxnet_[^`]+)` \| `([^`]+)\.relens` \|", PAGE, re.MULTILINE))
    found = {name: samples.entry(name) for name in rows}
    assert {name: entry.bundle for name, entry in found.items() if entry} == rows
    assert len(rows) == len(samples.entries)


@pytest.mark.parametrize("option", ["--handler", "--thing", "--env", "--folder", "--network", "--fast", "--mqtt"])
def test_every_option_of_the_guide_exists(option: str) -> None:
    import typer

    from relens.cli.legacy import app

    known = {name for item in typer.main.get_command(app).commands["run"].params for name in item.opts}  # type: ignore[attr-defined]
    assert option in known and option in PAGE
