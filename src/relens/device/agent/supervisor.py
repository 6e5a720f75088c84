"""The process that stays: starts the bundle that is to run, watches it, and goes back when it fails."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import Event
from time import monotonic
from typing import Any

from relens.device.agent.health import Health, Limits, Report
from relens.device.agent.inbox import Answer
from relens.device.agent.install import bring_in
from relens.device.agent.process import WorkerProcess
from relens.device.agent.standing import MOST_STARTS
from relens.device.agent.store import ACCEPTED, FILE, SEEN, Store
from relens.device.agent.worker import Orders
from relens.errors import RelensError
from relens.spec import CameraSettings

TICK_S = 0.5
REMEMBER_S = 60.0
SLOWER, LEAST_MS, MORE_MB = 3.0, 20.0, 200.0
"""How far a bundle without goals may be from its acceptance: times as slow, but never too slow below so many
milliseconds; megabytes more, for page and camera, too."""

NOTHING_KNOWN: dict[str, Any] = {"latency": {"median_ms": 1000.0}, "peak_memory_mb": 500.0}
"""Of a bundle whose acceptance cannot be read any more."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what.

    confirm_s: a bundle on trial is confirmed after so many seconds of frames. silent_s: it may say nothing for so long,
    its start included. rest_s: before what ended is started again.
    """

    confirm_s: float = 60.0
    silent_s: float = 20.0
    rest_s: float = 1.0


class Supervisor:
    """Keeps a camera running, from its state on disk.

    Args:
        store: the camera's disk.
        settings: where frames come from, and who is told.
        real_time: see `open_camera`.
        patience: how long to wait for what.
        say: told in a line what happens.
    """

    def __init__(
        self,
        store: Store,
        settings: CameraSettings,
        *,
        real_time: bool = True,
        patience: Patience | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.store, self.settings, self.real_time = store, settings, real_time
        self.patience, self.say = patience or Patience(), say
        self._stopping = Event()
        self._camera_trouble: str | None = None

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Until `stop`.

        Raises:
            DeviceTrouble: RL-DEVICE-008 when another agent runs this camera.
        """
        with self.store.agent():
            self.store.mend()
            while not self._stopping.is_set():
                self._take_in(nullcontext)
                standing = self.store.standing()
                if standing.active is None:
                    self._stopping.wait(TICK_S)
                elif standing.worn_out:
                    self._fail(standing.active, f"started {MOST_STARTS} times and never stayed healthy")
                else:
                    self.store.start()
                    self._attend(standing.active)

    def _take_in(self, quiet: Callable[[], AbstractContextManager[None]]) -> None:
        """Install what was put into the inbox; whoever brought it is told what became of it."""
        for file in self.store.inbox.waiting():
            try:
                with quiet():
                    answer = Answer(bring_in(self.store, file))
                self.say(f"{file.name}: installed as {answer.installed}")
            except RelensError as trouble:
                answer = Answer.refusing(trouble)
                self.store.journal.note("refused", file=file.name, why=str(trouble))
                self.say(f"{file.name}: {trouble}")
            self.store.inbox.answer(file, answer)

    def _attend(self, bundle: str) -> None:
        """Run one bundle until it ends, fails, or another one is to run."""
        try:
            health = Health(self._limits(bundle))
        except RelensError as damaged:
            self._fail(bundle, f"damaged on the disk: {damaged.message}")
            return
        remembered_s, self._camera_trouble = monotonic(), None
        file = self.store.bundles / bundle / FILE
        self.say(f"{bundle}: started")
        with WorkerProcess(Orders(bundle=file, settings=self.settings, real_time=self.real_time)) as worker:
            while not self._stopping.is_set() and self.store.standing().active == bundle:
                said = worker.hear(TICK_S)
                if said is None:
                    self._ended(bundle, worker.last_words())
                    return
                if worker.silent_s > self.patience.silent_s:
                    worker.kill()
                    self._ended(bundle, f"it said nothing for {worker.silent_s:.0f} s")
                    return
                if "page" in said:
                    self.say(f"live page: {said['page']}")
                if "trouble" in said:
                    self._troubled(bundle, **said["trouble"])
                    return
                if "report" in said:
                    report = Report.from_json(said["report"])
                    self._watch_camera(report)
                    if why := health.judge(report):
                        worker.kill()
                        self._fail(bundle, why)
                        return
                    if health.healthy_s >= self.patience.confirm_s and monotonic() > remembered_s:
                        self._confirm(bundle, report)
                        remembered_s = monotonic() + REMEMBER_S
                self._take_in(worker.paused)

    def _limits(self, bundle: str) -> Limits:
        """From its goals where it has them, else from its acceptance; and what was seen before it came."""
        goals = self.store.open(bundle).manifest.goals
        accepted = self.store.facts(bundle, ACCEPTED) or NOTHING_KNOWN
        standing = self.store.standing()
        before = self.store.facts(standing.good, SEEN) if standing.on_trial and standing.good else None
        usual_ms = max(LEAST_MS, SLOWER * accepted["latency"]["median_ms"])
        return Limits(
            most_infer_ms=usual_ms if goals.max_latency_ms is None else 1.5 * goals.max_latency_ms,
            most_resident_mb=MORE_MB + max(accepted["peak_memory_mb"], goals.max_memory_mb or 0.0),
            seen_before=before,
        )

    def _confirm(self, bundle: str, report: Report) -> None:
        """It has been healthy for long enough."""
        if self.store.standing().on_trial:
            self.say(f"{bundle}: confirmed")
        self.store.confirm(bundle)
        self.store.remember(bundle, report.seen)

    def _troubled(self, bundle: str, code: str, message: str) -> None:
        """Its process ended with an error of ours; a camera that gives nothing is not the bundle's fault."""
        if code.startswith("RL-CAMERA"):
            self.store.excuse()
        self._ended(bundle, f"{code}: {message}")

    def _watch_camera(self, report: Report) -> None:
        """Say when it goes and when it is back; a start that saw no frame says nothing of the bundle."""
        before, self._camera_trouble = self._camera_trouble, report.trouble
        if report.trouble is not None and before is None:
            if report.inferred == 0:
                self.store.excuse()
            self.store.journal.note("camera lost", why=report.trouble)
            self.say(report.trouble)
        elif report.trouble is None and before is not None:
            self.store.journal.note("camera back")
            self.say("the camera is back")

    def _ended(self, bundle: str, why: str) -> None:
        """It will be started again, unless that was too often."""
        self.say(f"{bundle}: {why}")
        self.store.journal.note("ended", bundle=bundle, why=why)
        self._stopping.wait(self.patience.rest_s)

    def _fail(self, bundle: str, why: str) -> None:
        """Back to the one before; where there is none it is tried again."""
        if self.store.fail(bundle, why).active == bundle:
            self._ended(bundle, f"{why}; there is no other to go back to")
        else:
            self.say(f"{bundle}: {why}; rolled back")
