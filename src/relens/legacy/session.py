"""Run an old function: its camera, its page and its broker here, itself in a child process."""

import json
import logging
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from typing import Any

from relens.device.camera import open_camera
from relens.device.live import About, LivePage
from relens.device.signals import stopped_by_signals
from relens.errors import LegacyTrouble
from relens.legacy.feeder import Feeder
from relens.legacy.function import Function, find
from relens.legacy.host import Host
from relens.legacy.ledger import Ledger
from relens.legacy.mjpeg import Pictures
from relens.legacy.models import Builder, Models
from relens.legacy.order import Order
from relens.legacy.relay import Relay
from relens.legacy.screen import Screen
from relens.legacy.side import FunctionSide
from relens.spec import BrokerSettings

logger = logging.getLogger("relens.legacy")
GRACE_S = 10.0
"""For what a function still does with its last frame."""

STOP_S = 3.0
HOPELESS_S = 20.0
"""A function without its model may try again and again; when it takes no frame for so long, that is the end."""

FAREWELL = re.compile(r"\W*(?:lambda )?(?:error|exception|fail|traceback)", re.IGNORECASE)
"""How functions begin what they publish when they end of an error."""

INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH")
"""Of this process's environment; the rest may hold secrets, and is not the function's affair."""


@dataclass(frozen=True, repr=False)
class Summary:
    """What a run did. fps: frames taken a second. shown: different pictures of the function's own stream.
    published: messages; the newest of them are `messages`.
    """

    function: str
    camera: str
    frames: int
    seconds: float
    fps: float
    dropped: int
    inferences: int
    published: int
    shown: int
    errors: int
    ended: str
    models: tuple[str, ...]
    warnings: tuple[str, ...]
    walls: Mapping[str, Any]
    messages: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))

    def __repr__(self) -> str:
        models = f" with {', '.join(self.models)}" if self.models else ""
        lines = [
            f"{self.function}{models} on {self.camera}: {self.ended}",
            f"  {self.frames} frames in {self.seconds:.1f} s, {self.fps:.1f} fps, {self.dropped} dropped; "
            f"{self.inferences} inferences",
            f"  {self.published} messages published, {self.shown} pictures shown, {self.errors} errors, "
            f"{len(self.warnings)} warnings",
        ]
        return "\n".join([*lines, *(f"  {one['topic']}: {one['payload'][:100]}" for one in self.messages[:1])])


def run(
    function: str | Path,
    models: str | Path,
    camera: str,
    *,
    handler: str | None = None,
    frames: int | None = None,
    live: bool = True,
    host: str = "127.0.0.1",
    port: int = 8080,
    certificate: Path | None = None,
    key: Path | None = None,
    broker: BrokerSettings | None = None,
    network: bool = False,
    folder: str | Path | None = None,
    thing: str = "deeplens",
    environment: Mapping[str, str] | None = None,
    build: Builder | None = None,
    real_time: bool = True,
    loop: bool = True,
    on_ready: Callable[[str], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Summary:
    """Run a DeepLens function until the camera ends, `frames` are taken, it ends itself, or SIGINT or SIGTERM comes.

    Args:
        function: its file, its folder, or the zip that was uploaded to AWS Lambda.
        models: the folder of bundles, which the function sees as `/opt/awscam/artifacts`.
        camera: what `relens.device.open_camera` takes.
        handler: `MODULE.FUNCTION`, as AWS had it, where it does not follow from the files' names.
        frames: stop after the function has worked on so many.
        live: serve the live page.
        host, port, certificate, key: the page's, as in `relens.device.run`.
        broker: where what it publishes goes to; None: to the page and the summary only.
        network: let the function use the network.
        folder: for what it writes into `/tmp`; kept then. None: a temporary one.
        thing: `AWS_IOT_THING_NAME`.
        environment: further variables for the function.
        build: makes bundles of models that are none, such as `relens.pipeline.bare.bundle_of`; None: they are refused.
        real_time, loop: see `open_camera`.
        on_ready: called with the page's address, token included, once it listens.
        on_note: called with what the user should know, as it comes.

    Raises:
        LegacyTrouble: RL-LEGACY-001 to -011, as their texts say.
        DeviceTrouble: RL-CAMERA-001 to -003 from the camera, RL-DEVICE-001 when the page cannot listen, -003 when
            this machine refuses a bundle, RL-OUTLET-001 when the broker cannot be reached.
        BadConfig: a `legacy.toml`, or a page that would be open to other machines without HTTPS.
    """
    note = on_note or logger.warning
    with ExitStack() as stack:
        place = _run_folder(folder, stack)
        found = find(Path(function), handler, place / "function")
        for name in found.missing_files():
            note(f"{found.file.name} opens {name}, which is not beside it")
        shelf = Models(Path(models), build)
        source = open_camera(camera, real_time, loop)
        feeder, ledger = Feeder(source), Ledger()
        screen = Screen(feeder, About(found.name, found.sha256, "no model yet", source.describe(), ()))
        relay = stack.enter_context(Relay(broker, thing)) if broker else None
        if live:
            page = LivePage(
                screen.about, screen.status, host=host, port=port, certificate=certificate, key=key,
                side=FunctionSide(ledger),
            )  # fmt: skip
            screen.page = stack.enter_context(page)
            if on_ready:
                on_ready(page.url)
        stack.enter_context(feeder)
        stack.enter_context(Pictures(place / "tmp", screen.picture))
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        served = Host(
            ours, feeder, shelf, ledger, screen, limit=frames, folder=place, note=note,
            publish=lambda message: relay.publish(message.topic, message.payload) if relay else None,
        )  # fmt: skip
        order = Order(
            str(found.file), found.handler, str(place), str(shelf.folder), network, theirs.fileno(), feeder.memory
        )
        child = _start(order, place, {"AWS_IOT_THING_NAME": thing, **(environment or {})})
        theirs.close()
        stack.enter_context(stopped_by_signals(served.stop))
        with _Watch(child, served):
            served.serve()
        code = child.wait()
    return _judged(found, served, code, frames, source.describe())


def _run_folder(folder: str | Path | None, stack: ExitStack) -> Path:
    if folder is None:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relens-legacy-")))
    else:
        place = Path(folder)
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    return place.resolve()


def _start(order: Order, place: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
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
        [sys.executable, "-m", "relens.legacy.child", json.dumps(asdict(order))],
        env=told,
        stdin=subprocess.DEVNULL,
        stdout=2,  # what it prints is no result of ours
        pass_fds=(order.line, order.memory),
        start_new_session=True,
    )


class _Watch:
    """Ends a child that does not end by itself when it should."""

    def __init__(self, child: "subprocess.Popen[bytes]", host: Host) -> None:
        self.child, self.host = child, host
        self._done = Event()
        self._thread = Thread(target=self._run, name="relens-watch", daemon=True)

    def __enter__(self) -> "_Watch":
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._done.set()
        self._thread.join()
        if self.child.poll() is None:
            try:
                self.child.wait(STOP_S)  # it has closed the line, so it is about to end
            except subprocess.TimeoutExpired:
                self.child.kill()

    def _run(self) -> None:
        over_s = lacking_s = None
        while not self._done.wait(0.1):
            now, host = monotonic(), self.host
            feeder = host.feeder
            given_all = host.limit is not None and feeder.taken.count >= host.limit
            if host.over or given_all:
                over_s = over_s or now
            if over_s and now - over_s > (STOP_S if host.over else GRACE_S):
                host.over = True
                self.child.kill()
            lacking_s = (lacking_s or now) if host.lacking else None
            if lacking_s and now - max(lacking_s, feeder.taken.last_s) > HOPELESS_S:
                host.failure = host.failure or host.lacking
                self.child.kill()


def _judged(function: Function, host: Host, code: int, frames: int | None, camera: str) -> Summary:
    """What became of it; raises for what was not asked for."""
    ledger, feeder = host.ledger, host.feeder
    if host.traceback:
        sys.stderr.write(host.traceback)
    if host.failure is not None:
        raise host.failure
    ended = "ended as asked" if host.over else host.ended
    if ended is None:
        raise LegacyTrouble(
            "RL-LEGACY-009",
            f"{function.file.name}: its process ended without a word, with status {code}",
            hint="a negative status is a signal's number: look for native code that it uses, and at dmesg",
        )
    taken = feeder.taken.count
    words = ledger.last_words or ""
    if not host.over and (taken == 0 or (frames is not None and taken < frames) or FAREWELL.match(words)):
        if taken == 0 and ledger.troubles:
            raise ledger.troubles[-1]
        raise LegacyTrouble(
            "RL-LEGACY-010",
            f"{function.file.name} ended by itself after {taken} frames: {ended}"
            + (f"; the last that it published is: {words}" if words else ""),
            hint="functions catch their own errors and publish them: look for the reason there, and in what it printed",
        )
    return Summary(
        function=function.file.name,
        camera=camera,
        frames=taken,
        seconds=round(host.screen.status().seconds, 3),
        fps=round(feeder.taken.overall(), 2),
        dropped=feeder.dropped,
        inferences=ledger.inferences,
        published=ledger.published,
        shown=host.screen.shown,
        errors=host.screen.errors + len(ledger.troubles),
        ended=ended,
        models=tuple(ledger.models),
        warnings=tuple(ledger.warnings),
        walls=ledger.walls,
        messages=tuple(message.to_json() for message in ledger.newest()),
    )
