"""The child that a function runs in: how it begins, and how it ends when it does not by itself."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from relens.legacy.host import Host
from relens.legacy.order import Order

GRACE_S = 10.0
"""For what a function still does with its last frame."""

STOP_S = 3.0
HOPELESS_S = 20.0
"""A function without its model may try again and again; when it takes no frame for so long, that is the end."""

INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")
"""Of this process's environment; the rest may hold secrets, and is not the function's affair."""


CHILD = (
    "import runpy, sys; sys.path.pop(0); "  # where we stand may hold anything, and comes before Python's own library
    "runpy.run_module('relens.legacy.child', run_name='__main__', alter_sys=True)"
)


def start(order: Order, place: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Begin it. place: the run's folder. environment: what the function gets beside `INHERITED` and what AWS set."""
    name = Path(order.file).stem
    told = {
        **{key: os.environ[key] for key in INHERITED if key in os.environ},
        "HOME": str(place / "tmp"),
        "TMPDIR": str(place / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "AWS_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "none",  # with a real botocore, a function that sends video finds no credentials otherwise
        "AWS_SECRET_ACCESS_KEY": "none",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "LAMBDA_TASK_ROOT": str(Path(order.file).parent),
        "MY_FUNCTION_ARN": f"arn:aws:lambda:us-east-1:000000000000:function:{name}:1",
        **environment,
    }
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, json.dumps(asdict(order))],
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=2,  # what it prints is no result of ours
        pass_fds=(order.line, order.memory),
        start_new_session=True,
    )


class Watch:
    """Ends a child that does not end by itself when it should."""

    def __init__(self, child: "subprocess.Popen[bytes]", host: Host) -> None:
        self.child, self.host = child, host
        self._done = Event()
        self._thread = Thread(target=self._run, name="relens-watch", daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._done.set()
        self._thread.join()
        if self.child.poll() is None:
            try:
                self.child.wait(STOP_S)  # it has closed the line, so it is about to end
            except subprocess.TimeoutExpired:
                self._kill()
        self._kill()  # what it has started and left

    def _run(self) -> None:
        over_s = lacking_s = None
        while not self._done.wait(0.1):
            now, host = monotonic(), self.host
            if self.child.poll() is not None:
                host.hang_up()  # what it has started may hold its line open
            feeder = host.feeder
            given_all = host.limit is not None and feeder.taken.count >= host.limit
            if host.over or given_all:
                over_s = over_s or now
            if over_s and now - over_s > (STOP_S if host.over else GRACE_S):
                host.over = True
                self._kill()
            lacking_s = (lacking_s or now) if host.lacking else None
            if lacking_s and now - max(lacking_s, feeder.taken.last_s) > HOPELESS_S:
                host.failure = host.failure or host.lacking
                self._kill()

    def _kill(self) -> None:
        """Its whole session."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.child.pid, signal.SIGKILL)
