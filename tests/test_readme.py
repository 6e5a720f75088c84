"""Every relens command and the Python block of the README run as they stand, in an empty directory.

The make commands are what CI itself runs.
"""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip().split("  #")[0].strip() for line in README.splitlines() if line.startswith("    relens ")]
# What a reader puts in place of the capital letters and of a camera that is not here.
PLACES = {
    "MODEL": "my_model.keras",
    "PICTURES": "pictures",
    "--camera 0": "--camera pictures --fast --frames 20 --port 0",
}


@pytest.fixture(scope="module")
def desk(shapes: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty directory with a model of one's own, pictures and labels."""
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(shapes.model, folder / "my_model.keras")
    shutil.copy(shapes.labels, folder / "labels.txt")
    shutil.copytree(shapes.calibration, folder / "pictures")
    return folder


def test_the_commands_of_the_readme_run_one_after_the_other(desk: Path) -> None:
    assert len(COMMANDS) >= 9, COMMANDS
    for command in COMMANDS:
        line = command
        for written, real in PLACES.items():
            line = line.replace(written, real)
        words = [str(Path(sys.executable).with_name("relens")), *shlex.split(line)[1:]]
        done = subprocess.run(words, capture_output=True, text=True, cwd=desk, check=False, timeout=300)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if " init " in command:
            check_the_marked_lines(desk / "relens.toml")


def check_the_marked_lines(project: Path) -> None:
    """What a reader does after `relens init`: uncomment the pictures."""
    text = project.read_text()
    assert "(?)" in text
    project.write_text(text.replace('# calibration = "pictures/"', 'calibration = "pictures/"'))


def test_the_python_of_the_readme_runs(desk: Path, shapes: Any) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    script = block.replace("model.keras", "my_model.keras")
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=desk, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "chosen" in done.stdout


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_registry_host_or_path_of_a_machine_is_named() -> None:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, cwd=ROOT, check=True).stdout.split(
        "\n"
    )
    hosts = re.compile(r"(pypi|npmjs|debian)\.(org|com)|files\.pythonhosted", re.I)
    for name in filter(None, listed):
        path = ROOT / name
        if path.suffix in {".md", ".py", ".toml", ".txt", ".in", ".html", ""} and path.is_file():
            assert not hosts.search(path.read_text(encoding="utf-8", errors="replace").replace("hosts = re", "")) or (
                path == Path(__file__)
            ), name
