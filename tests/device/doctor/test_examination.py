"""The whole of it, as a user calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from relens.device.agent import Store
from relens.device.doctor import Examination, Finding, examine

BLOCKED = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("numpy", "cv2", "av", "ai_edge_litert", "openvino", "tensorflow", "keras"):
            raise ImportError(f"{name} is blocked")
sys.meta_path.insert(0, Refuse())
from pathlib import Path
from relens.device.doctor import examine
print(len(examine(Path(sys.argv[1]), Path(sys.argv[2])).findings))
"""


@pytest.fixture
def camera_toml(tmp_path: Path, clip: Path) -> Path:
    (tmp_path / "hook.token").write_text("open sesame")
    (tmp_path / "hook.token").chmod(0o600)
    file = tmp_path / "camera.toml"
    file.write_text(f'[camera]\nsource = "{clip}"\n[webhook]\nurl = "https://localhost/"\ntoken_file = "hook.token"\n')
    return file


def doctor(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "relens", "device", "doctor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def test_one_wrong_thing_makes_it_unhealthy_and_what_is_not_known_does_not() -> None:
    good, odd, bad = Finding("a", True, "is"), Finding("b", None, "may be"), Finding("c", False, "is not", "mend it")
    assert Examination((good, odd)).healthy and not Examination((good, odd, bad)).healthy
    assert repr(Examination((good, odd, bad))).splitlines() == [
        "ok      a          is", "-       b          may be", "not ok  c          is not", "        mend it",
    ]  # fmt: skip


def test_every_part_of_the_box_is_looked_at(camera_toml: Path, tmp_path: Path) -> None:
    found = {one.name: one for one in examine(camera_toml, tmp_path / "state")}
    assert list(found) == [
        "processor", "libc", "memory", "engine", "clock", "settings", "disk", "lasting", "store", "secret", "frame",
        "service", "bundle", "agent",
    ]  # fmt: skip
    assert [name for name in ("settings", "disk", "store", "secret", "frame") if found[name].ok is not True] == []
    assert not (tmp_path / "state").exists()


def test_everything_wrong_comes_with_a_command(camera_toml: Path, tmp_path: Path) -> None:
    (tmp_path / "hook.token").chmod(0o644)
    camera_toml.write_text(camera_toml.read_text().replace(".avi", ".gone"))
    wrong = [one for one in examine(camera_toml, tmp_path / "state") if one.ok is False]
    assert {"secret", "frame"} <= {one.name for one in wrong} and all(one.mend for one in wrong), wrong


def test_the_exit_code_says_whether_anything_is_wrong(camera_toml: Path, tmp_path: Path) -> None:
    done = doctor("--settings", camera_toml, "--state", tmp_path / "state", "--json")
    values = json.loads(done.stdout)
    assert done.returncode == (0 if values["healthy"] else 1)
    assert values["healthy"] == all(one["ok"] is not False for one in values["findings"])

    camera_toml.write_text("[camera]\nsource = '0'\nnmae = 'yard'\n")
    done = doctor("--settings", camera_toml, "--state", tmp_path / "state")
    assert done.returncode == 1 and "not ok  settings" in done.stdout and "did you mean `name`" in done.stdout


def test_it_works_where_numpy_and_the_engines_do_not_load(camera_toml: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", BLOCKED, str(camera_toml), str(tmp_path / "state")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0 and int(done.stdout) >= 14, done.stderr


def test_a_store_that_holds_events_already_needs_less_room_for_more(camera_toml: Path, tmp_path: Path) -> None:
    def told() -> str:
        return next(one.text for one in examine(camera_toml, tmp_path / "state") if one.name == "disk")

    assert told().endswith("200 MB for events and samples")
    Store(tmp_path / "state").events.mkdir()
    (tmp_path / "state" / "events" / "log").write_bytes(bytes(50_000_000))
    assert told().endswith("150 MB for events and samples")
