"""The supervisor's side of a worker: a process that is heard, told to end, and killed if it does not."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Queue
from threading import Thread
from time import monotonic
from types import TracebackType
from typing import Any

from relens.device.agent.orders import Orders

STOP_S = 5.0


def environment() -> dict[str, str]:
    """OpenCV otherwise waits for ten seconds until it says that a V4L2 camera gives no frames."""
    return {"OPENCV_VIDEOIO_V4L_SELECT_TIMEOUT": "4", **os.environ}


class WorkerProcess:
    """Runs from `with` to its end, whatever that is.

    Args:
        orders: what it is to run.
    """

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._lines: Queue[dict[str, Any] | None] = Queue()
        self._heard_s = monotonic()
        self._errors: list[str] = []

    def __enter__(self) -> "WorkerProcess":
        command = [sys.executable, "-m", "relens.device.agent.worker"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment())
        self._readers = [Thread(target=read, name="relens-worker") for read in (self._read, self._read_errors)]
        for reader in self._readers:
            reader.start()
        with suppress(BrokenPipeError):
            self._input.write(self._orders.model_dump_json() + "\n")
            self._input.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(BrokenPipeError):
            self._input.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for reader in self._readers:
            reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()  # type: ignore[union-attr]

    def hear(self, seconds: float) -> dict[str, Any] | None:
        """The next thing it says, {} when it says nothing for so long, None when it has ended."""
        try:
            said = self._lines.get(timeout=seconds)
        except Empty:
            return {}
        self._heard_s = monotonic()
        return said

    @property
    def silent_s(self) -> float:
        """How long it has said nothing."""
        return monotonic() - self._heard_s

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def last_words(self) -> str:
        """How it ended, with the last line of its errors."""
        code = self._process.wait()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return ": ".join([f"its process ended with {how}", *self._errors[-1:]])

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the processor to somebody else for a while; frames that come meanwhile are lost."""
        self._signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._signal(signal.SIGCONT)
            self._heard_s = monotonic()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._process.pid, number)

    @property
    def _input(self) -> Any:
        return self._process.stdin

    def _read(self) -> None:
        for line in self._process.stdout or ():
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict):
                    self._lines.put(said)
        self._lines.put(None)

    def _read_errors(self) -> None:
        for line in self._process.stderr or ():
            self._errors[:] = [*self._errors[-19:], line.strip()]
