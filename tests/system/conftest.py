"""A machine with systemd: this one's files under an overlay, booted in a container of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
CODE, PLACE = Path("/opt/relens-test"), Path("/mnt/relens-test")
UNIT = "/etc/systemd/system/relens.service"
# The tests' copy of relens is not installed there; and nobody likes to wait for a minute.
DROP_IN = "[Service]\nEnvironment=PYTHONPATH={code}/src\nWatchdogSec=15\n"
BOOT = """
set -e
for group in /sys/fs/cgroup/*/; do
    [ -e "$group/cgroup.procs" ] && [ ! -e /sys/fs/cgroup/cgroup.controllers ] || continue
    mkdir -p "$group/$NAME" && echo $$ > "$group/$NAME/cgroup.procs" || true
done
mount --make-rprivate /
[ -e "$FOLDER/usr" ] || mount --bind / "$FOLDER"
exec systemd-nspawn --quiet --directory="$FOLDER" --boot --register=no --keep-unit \\
    --private-network --machine="$NAME" --console=pipe --link-journal=no "$@"
"""


class Machine:
    """Commands on it.

    place: a folder of this machine that it sees as `seen`. code: where relens is there.
    """

    code, seen = CODE, PLACE

    def __init__(self, first: int, place: Path) -> None:
        self.first, self.place = first, place

    def run(self, *command: object, check: bool = True) -> str:
        """Run a command as root; what it says."""
        enter = ["nsenter", "-t", str(self.first), *["-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w"]]
        settings = ["env", "-i", "PATH=/usr/bin:/usr/sbin:/bin:/sbin", f"PYTHONPATH={CODE}/src"]
        done = subprocess.run(
            [*enter, *settings, *map(str, command)], capture_output=True, text=True, check=False, timeout=300
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def relens(self, *arguments: object, check: bool = True) -> str:
        """Run a relens command as root."""
        return self.run(CODE / ".venv/bin/python", "-m", "relens", *arguments, check=check)

    def near(self, *command: object) -> list[str]:
        """A command of this machine's that sees only that one's network."""
        return ["nsenter", "-t", str(self.first), "-n", *map(str, command)]

    def start_service(self, settings: str, more: str = "") -> None:
        """Run a camera as a service. settings: a file in its place. more: lines for the unit."""
        unit = self.relens("device", "service", "--settings", self.seen / settings)
        (self.place / "unit").write_text(unit)
        (self.place / "drop-in").write_text(DROP_IN.format(code=self.code) + more)
        self.run("cp", self.seen / "unit", UNIT)
        self.run("install", "-D", "--mode=644", self.seen / "drop-in", f"{UNIT}.d/test.conf")
        self.run("systemctl", "daemon-reload")
        self.run("systemctl", "restart", "relens", check=False)
        said = self.run("journalctl", "--unit", "relens", "--no-pager", "--lines", "30", check=False)
        assert self.shown("ActiveState") == "active", said

    def forget(self) -> None:
        """The camera holds nothing any more."""
        self.run("systemctl", "stop", "relens", check=False)
        self.run("rm", "-rf", "/var/lib/private/relens", "/var/lib/relens")

    def shown(self, key: str) -> str:
        """A property of the service."""
        return self.run("systemctl", "show", "relens", "--property", key, "--value").strip()

    def status(self) -> dict[str, Any]:
        """Of the camera."""
        found: dict[str, Any] = json.loads(self.relens("device", "status", "--state", "/var/lib/relens", "--json"))
        return found


@pytest.fixture(scope="session")
def soon() -> Callable[..., float]:
    """Wait until something holds; how many seconds that took."""
    return _soon


def _soon(holds: Callable[[], object], most_s: float = 90) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < most_s, "it did not happen"
        time.sleep(0.05)
    return time.monotonic() - began


@pytest.fixture(scope="session")
def relens() -> "Callable[..., subprocess.CompletedProcess[str]]":
    """Run a relens command on this machine."""
    return _relens


def _relens(*arguments: object, check: bool = True) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "relens", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="session")
def boot(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., AbstractContextManager[int]]:
    """Boot a folder's systemd in a container: `boot(folder, *options of systemd-nspawn)`; what its process 1 is here.

    An empty folder is this machine's own files.
    """
    if os.geteuid() != 0 or shutil.which("systemd-nspawn") is None:
        assert "CI" not in os.environ, "systemd-nspawn and root have to be there in CI"
        pytest.skip("needs root and systemd-nspawn (package systemd-container)")
    log = tmp_path_factory.mktemp("boot") / "log"

    @contextmanager
    def booted(folder: Path, *options: str) -> Iterator[int]:
        name = f"relens{os.getpid()}-{folder.name}"
        command = ["unshare", "--mount", "bash", "-c", BOOT, "boot", *options]
        environment = {**os.environ, "NAME": name, "FOLDER": str(folder)}
        with (
            log.open("wb") as said,
            subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said) as container,
        ):
            try:
                yield _first(container, log)
            finally:
                container.terminate()
                try:
                    container.wait(20)
                except subprocess.TimeoutExpired:
                    container.kill()

    return booted


@pytest.fixture(scope="session")
def machine(
    boot: Callable[..., AbstractContextManager[int]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    folder, place = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("place")
    place.chmod(0o755)
    options = ("--volatile=overlay", f"--bind-ro={ROOT}:{CODE}", f"--bind={place}:{PLACE}", "systemd.unit=basic.target")
    with boot(folder, *options) as first:
        machine = Machine(first, place)
        _wait_booted(machine)
        yield machine


def _first(container: subprocess.Popen[bytes], log: Path) -> int:
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children")
    for _ in range(200):
        assert container.poll() is None, log.read_text(errors="replace")
        for child in children.read_text().split():
            with suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return int(child)
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace"))


def _wait_booted(machine: Machine) -> None:
    for _ in range(100):
        if machine.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"):
            break
        time.sleep(0.2)
    else:
        raise AssertionError(machine.run("systemctl", "--failed", check=False))
    # In a version 1 hierarchy limits do nothing until it can be written there.
    remount = "for group in /sys/fs/cgroup/*/; do mount -o remount,bind,rw $group || true; done"
    machine.run("bash", "-c", remount)
    machine.run("systemctl", "daemon-reexec")
    machine.run("chmod", "o+x", "/root")  # where this machine's Python may be
