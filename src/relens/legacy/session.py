"""Run an old function: its camera, its page and its broker here, itself in a child process."""

import logging
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path

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
from relens.legacy.process import Watch, start
from relens.legacy.relay import Relay
from relens.legacy.screen import Screen
from relens.legacy.side import FunctionSide
from relens.legacy.summary import Summary
from relens.spec import BrokerSettings

logger = logging.getLogger("relens.legacy")
FAREWELL = re.compile(r"\W*(?:lambda )?(?:error|exception|fail|traceback)", re.IGNORECASE)
"""How functions begin what they publish when they end of an error."""


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
        unpacked = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relens-legacy-")))
        found = find(Path(function), handler, unpacked / "function")
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
        child = start(order, place, {"AWS_IOT_THING_NAME": thing, **(environment or {})})
        theirs.close()
        stack.enter_context(stopped_by_signals(served.stop))
        with Watch(child, served):
            served.serve()
        code = child.wait()
    if relay and relay.lost:
        ledger.warn(f"{relay.lost} messages did not reach the broker")
    return _judged(found, served, code, frames, source.describe())


def _run_folder(folder: str | Path | None, stack: ExitStack) -> Path:
    if folder is None:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relens-legacy-")))
    else:
        place = Path(folder)
    (place / "tmp").mkdir(parents=True, exist_ok=True)
    return place.resolve()


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
