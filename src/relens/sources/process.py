"""A child process with limits: its time, its memory (children included) and its noise."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_S = 0.05
LOG_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Limits:
    """What an import may use: seconds of wall-clock time, and MiB of resident memory (on Linux)."""

    timeout_s: float = 900
    memory_mb: int = 8192


@dataclass(frozen=True)
class Ended:
    """How a child ended.

    Attributes:
        returncode: its exit status; negative for the signal that ended it.
        broke: the limit it was stopped for, "time" or "memory", or None.
        log: the end of what it wrote to stdout and stderr.
    """

    returncode: int
    broke: str | None
    log: str


def run_limited(
    command: Sequence[str], *, folder: Path, limits: Limits, environment: Mapping[str, str] | None = None
) -> Ended:
    """Run a command in `folder` until it ends or breaks a limit.

    However this function is left, Ctrl-C included, the child and all it started are gone. The child's
    stdin is a pipe that nothing is written to: its end tells the child that the parent has died.
    """
    log = folder / "log.txt"
    with log.open("wb") as noise:
        child = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=noise,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        broke = _watch(child, limits)
    finally:
        _end(child)
    return Ended(child.returncode, broke, _tail(log))


def _watch(child: subprocess.Popen[bytes], limits: Limits) -> str | None:
    """Wait for the end, or for the limit it breaks."""
    deadline = time.monotonic() + limits.timeout_s
    while time.monotonic() < deadline:
        if _group_bytes(child.pid) > limits.memory_mb * 2**20:
            return "memory"
        try:
            child.wait(POLL_S)
        except subprocess.TimeoutExpired:
            continue
        return None
    return "time"


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill the child's whole process group and collect the child."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of it had ended by itself
    finally:
        child.wait()
        if child.stdin is not None:
            child.stdin.close()


def _group_bytes(group: int) -> int:
    """Resident bytes of all processes of a group; 0 where there is no /proc."""
    pages = sum(_pages(process) for process in _members(group))
    return pages * os.sysconf("SC_PAGE_SIZE")


def _members(group: int) -> Iterator[Path]:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            # The name, in parentheses, may hold blanks; what follows it may not.
            fields = (process / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[2]) == group:
            yield process


def _pages(process: Path) -> int:
    try:
        return int((process / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0  # it ended meanwhile


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace")
