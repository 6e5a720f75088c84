"""What a camera meets in its life: a full disk, a clock that jumps, a second agent, and power cuts."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relens.device.agent import Store

pytestmark = pytest.mark.system

BENCH = Path(__file__).parents[2] / "bench"
CLOCK = Path(__file__).parent / "wrong_clock.c"
SETTINGS = """
[camera]
source = "{pictures}"
[page]
serve = false
[agent]
confirm_after_s = 1
[lines]
path = "{told}"
""" + "".join(
    f'[[events]]\nname = "{name}"\nlabels = ["{name}"]\ndwell_s = 0\nclear_s = 0.1\n'
    for name in ("circle", "square", "cross")
)


@pytest.fixture(scope="module")
def bundles(shapes, tmp_path_factory) -> list[Path]:
    from relens import package

    folder = tmp_path_factory.mktemp("bundles")
    for name in ("one", "two", "three"):
        model = shutil.copy(shapes.graph, folder / f"{name}.tflite")
        package(model, folder / f"{name}.relens", labels=("circle", "square", "cross"))
    return [folder / f"{name}.relens" for name in ("one", "two", "three")]


@contextmanager
def agent(state: Path, settings: Path, **environment: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A real one, until SIGTERM."""
    command = [sys.executable, "-m", "relens", "device", "run", "--settings", settings, "--state", state]
    with (settings.with_suffix(".log").open("wb") as log, subprocess.Popen(
        command, stderr=log, env={**os.environ, **environment}
    ) as process):  # fmt: skip
        try:
            yield process
            assert process.poll() is None, settings.with_suffix(".log").read_text()
        finally:
            process.terminate()
            process.wait(30)


def numbers(told: Path) -> list[int]:
    """Of the events that have arrived, in that order; the last line may be on its way."""
    lines = told.read_text().splitlines(keepends=True) if told.exists() else []
    return [json.loads(line)["number"] for line in lines if line.endswith("\n")]


def workers(process: "subprocess.Popen[bytes]") -> str:
    return Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "relens-test", place]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        assert "CI" not in os.environ, "mounting has to be possible in CI"
        pytest.skip("mounting a small disk needs root")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_stops_events_and_installing_and_nothing_else(
    bundles, shapes, disk, tmp_path, relens, soon
) -> None:
    state, told = disk / "state", tmp_path / "told.jsonl"
    (tmp_path / "camera.toml").write_text(SETTINGS.format(pictures=shapes.calibration, told=told))
    relens("device", "install", bundles[0], "--state", state)
    with agent(state, tmp_path / "camera.toml") as process:
        store = Store(state)
        soon(lambda: store.standing().good is not None and len(numbers(told)) > 3)
        good = store.standing().good
        relens("device", "install", bundles[1], "--state", state)
        soon(lambda: store.standing().good != good)
        with (disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(bytes(4096))

        refused = relens("device", "install", bundles[2], "--state", state, check=False)
        assert refused.returncode == 1 and "RL-DEVICE-004" in refused.stderr, refused.stderr
        running = workers(process)
        time.sleep(2)
        assert workers(process) == running, "what runs goes on running"
        relens("device", "rollback", "--state", state)
        assert store.standing().active == good
        soon(lambda: workers(process) not in ("", running))

        (disk / "ballast").unlink()
        before = len(numbers(told))
        soon(lambda: len(numbers(told)) > before + 3)
        relens("device", "install", bundles[2], "--state", state)
        soon(lambda: store.standing().active not in (good, None))
    found = numbers(told)
    assert found == list(range(1, len(found) + 1)), "what the log took has arrived, in order"


@pytest.fixture
def clock(tmp_path: Path) -> tuple[dict[str, str], Callable[[float], None]]:
    """An environment whose wall clock is wrong by so many days; clocks that only go forward are right."""
    compiler = shutil.which("cc") or shutil.which("tcc")
    if compiler is None:
        assert "CI" not in os.environ, "a C compiler has to be there in CI"
        pytest.skip("needs a C compiler (package tcc)")
    library, file = tmp_path / "wrong_clock.so", tmp_path / "wrong_by"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, CLOCK], check=True)
    return {"LD_PRELOAD": str(library), "WRONG_CLOCK": str(file)}, lambda days: put(file, int(days * 86400))


def put(file: Path, seconds: int) -> None:
    file.with_suffix(".new").write_text(str(seconds))
    file.with_suffix(".new").replace(file)


def test_a_clock_that_jumps_disturbs_nothing(bundles, shapes, clock, tmp_path, relens, soon) -> None:
    environment, jump = clock
    state, told = tmp_path / "state", tmp_path / "told.jsonl"
    (tmp_path / "camera.toml").write_text(SETTINGS.format(pictures=shapes.calibration, told=told))
    relens("device", "install", bundles[0], "--state", state)
    jump(-1500)  # a camera without a battery: before 2024
    with agent(state, tmp_path / "camera.toml", **environment) as process:
        soon(lambda: Store(state).standing().good is not None)
        running = workers(process)
        for by in (0, 3, -1, -1500, 0):
            before = len(numbers(told))
            jump(by)
            soon(lambda before=before: len(numbers(told)) > before + 6)
        assert workers(process) == running, "no restart"
    found = numbers(told)
    assert found == list(range(1, len(found) + 1)), "each arrived, in order"
    years = {json.loads(line)["at"][:4] for line in told.read_text().splitlines()}
    assert len(years) >= 2, f"the clock has jumped: {years}"
    assert not [fact for fact in Store(state).journal if fact["event"] in ("bad", "ended", "rolled back")]


def test_a_second_agent_is_refused_and_the_first_goes_on(bundles, shapes, tmp_path, relens, soon) -> None:
    state = tmp_path / "state"
    (tmp_path / "camera.toml").write_text(SETTINGS.format(pictures=shapes.calibration, told=tmp_path / "told.jsonl"))
    relens("device", "install", bundles[0], "--state", state)
    with agent(state, tmp_path / "camera.toml") as process:
        soon(lambda: workers(process))
        running = workers(process)
        second = relens("device", "run", "--settings", tmp_path / "camera.toml", "--state", state, check=False)
        assert second.returncode == 1 and "RL-DEVICE-008" in second.stderr, second.stderr
        assert workers(process) == running
        os.kill(process.pid, signal.SIGSTOP)  # one that hangs is still the one
        again = relens("device", "run", "--settings", tmp_path / "camera.toml", "--state", state, check=False)
        os.kill(process.pid, signal.SIGCONT)
        assert again.returncode == 1 and "RL-DEVICE-008" in again.stderr, again.stderr


def test_power_cuts_tear_nothing_and_lose_no_event(bundles) -> None:
    """Thirty; by itself it does a hundred."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None or not Path("/dev/loop-control").exists():
        assert "CI" not in os.environ, "a file system in a file has to be possible in CI"
        pytest.skip("needs root, mkfs.ext4 and loop devices")
    done = subprocess.run(
        [sys.executable, BENCH / "power_cuts.py", *bundles, "--cuts", "30"],
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torn states: 0, lost configurations: 0, lost events: 0" in done.stdout
