"""The process that runs one bundle on the camera: `python -m relens.device.agent.worker`, started by the supervisor.

It says what it does on its standard output, one JSON object a line, and ends when its standard input does: with the
supervisor. Whatever a bundle does to it, the supervisor goes on.
"""

import json
import sys
import time
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from threading import Lock, Thread
from typing import IO, Any

from pydantic import ValidationError

from relens.device.agent.health import Report
from relens.device.agent.key import page_token
from relens.device.agent.orders import Orders
from relens.device.agent.post import event_log
from relens.device.agent.senses import Senses
from relens.device.agent.side import StoreSide
from relens.device.agent.store import ACCEPTED, Store
from relens.device.camera import open_camera
from relens.device.events.event import Event
from relens.device.events.log import EventLog
from relens.device.events.rules import check_rules
from relens.device.events.unfinished import finish_unfinished
from relens.device.events.watch import Keep, Watch
from relens.device.foreground import to_all
from relens.device.live import About, LivePage
from relens.device.loop import LiveLoop
from relens.device.model import load_model
from relens.device.samples import Samples
from relens.errors import DeviceTrouble, RelensError
from relens.measure.process import process_memory

EVERY_S = 0.5


def main() -> None:
    """Run what the first line of the standard input orders."""
    _go_first()
    tell = _Teller(sys.stdout)
    try:
        orders = Orders.model_validate_json(sys.stdin.readline())
    except ValidationError:
        tell(stale=True)
        sys.exit(1)
    try:
        _work(orders, tell)
    except RelensError as trouble:
        tell(trouble={"code": trouble.code, "message": trouble.message})
        sys.exit(1)


def _go_first() -> None:
    """Where memory runs out, the kernel is to take this process and not the agent (proc(5), oom_score_adj)."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500")


class _Teller:
    """Writes lines that are never mixed, from any thread."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream, self._lock = stream, Lock()

    def __call__(self, **facts: Any) -> None:
        with self._lock:
            self._stream.write(json.dumps(facts) + "\n")
            self._stream.flush()


def _work(orders: Orders, tell: _Teller) -> None:
    source, store = orders.settings.camera, Store(orders.state)
    bundle = store.open(orders.bundle)
    rules = bundle.manifest.events if orders.settings.events is None else orders.settings.events
    check_rules(rules, bundle.labels, bundle.manifest.task)
    camera = open_camera(source.source, orders.real_time, patient=True, password_file=source.password_file)
    model = load_model(bundle, threads=(store.facts(orders.bundle, ACCEPTED) or {}).get("threads"))
    senses = Senses(model, bundle.labels)
    loop = LiveLoop(camera, senses)
    log = event_log(store, orders.settings)
    keep = _keeper(log, tell)
    finish_unfinished(log, keep)
    watch = Watch(rules, bundle.labels, keep)
    about = About.running(bundle, model.engine, camera)
    publishers = [senses.publish, watch.publish]
    if orders.settings.samples is not None:
        publishers.append(Samples(store.samples, orders.settings.samples).publish)
    with ExitStack() as stack:
        page = _page(orders, about, loop, tell, watch=watch, side=StoreSide(store, log))
        if page is not None:
            publishers.append(stack.enter_context(page).publish)
            tell(page=page.address)
        Thread(target=_report, args=(loop, senses, watch, tell), daemon=True).start()
        Thread(target=_end_with_supervisor, args=(loop,), daemon=True).start()
        stack.callback(watch.finish)
        loop.run(to_all(publishers))
    tell(report=_said(loop, senses))


def _page(
    orders: Orders, about: About, loop: LiveLoop, tell: _Teller, *, watch: Watch, side: StoreSide
) -> LivePage | None:
    """A camera whose page cannot be served goes on without: that is no fault of its bundle."""
    asked = orders.settings.page
    if not asked.serve:
        return None
    try:
        return LivePage(
            about,
            loop.status,
            host=asked.host,
            port=asked.port,
            certificate=asked.certificate,
            key=asked.key,
            token=_token(side.store),
            side=side,
            things=lambda: watch.things,
        )
    except RelensError as trouble:
        tell(no_page=f"{trouble.code}: {trouble.message}")
        return None


def _keeper(log: EventLog, tell: _Teller) -> Keep:
    """Writes events into the log, and says so."""

    def keep(event: Event, jpeg: bytes | None) -> None:
        tell(event=log.append(event.to_json(), jpeg))

    return keep


def _token(store: Store) -> str | None:
    """The camera's; None, and so one for this start alone, where the disk is full."""
    try:
        return page_token(store)
    except DeviceTrouble:
        return None


def _report(loop: LiveLoop, senses: Senses, watch: Watch, tell: _Teller) -> None:
    while True:
        time.sleep(EVERY_S)
        watch.tick()
        tell(report=_said(loop, senses))


def _said(loop: LiveLoop, senses: Senses) -> dict[str, Any]:
    status = loop.status()
    infer = status.stages.get("infer")
    report = Report(
        seconds=status.seconds,
        captured=status.captured,
        inferred=status.inferred,
        infer_ms=infer.median_ms if infer else 0.0,
        resident_mb=process_memory().resident_mb,
        unusable=senses.unusable,
        frozen=senses.frozen,
        seen=senses.seen(),
        inferring_s=status.inferring_s,
        trouble=status.trouble,
    )
    return asdict(report)


def _end_with_supervisor(loop: LiveLoop) -> None:
    sys.stdin.read()
    loop.stop()


if __name__ == "__main__":
    main()
