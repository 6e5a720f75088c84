"""The process that stays: starts the bundle that is to run, watches it, and goes back when it fails."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from threading import Event
from typing import Any

from relens.device.agent.arrival import INSTALL_S, bring_in_apart
from relens.device.agent.follower import Follower
from relens.device.agent.health import Report
from relens.device.agent.heart import Heart
from relens.device.agent.key import note_page
from relens.device.agent.orders import Orders
from relens.device.agent.oversight import Oversight
from relens.device.agent.post import Post, camera_name
from relens.device.agent.process import WorkerProcess
from relens.device.agent.standing import MOST_STARTS
from relens.device.agent.store import Store
from relens.errors import DeviceTrouble
from relens.spec import CameraSettings

TICK_S = 0.5
DAMAGED, UNFIT = ("RL-BUNDLE", "RL-GRAPH"), "RL-CONFIG"
"""Errors that another start would not help: of the file, and of a model that cannot do what this camera is to do."""


@dataclass(frozen=True)
class Patience:
    """How long to wait for what.

    silent_s: a bundle may say nothing for so long, its start included. rest_s: before what ended is started again.
    """

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
        self._heart, self._post = Heart(), Post(store, settings)
        self._follower = Follower(store, camera_name(settings), settings.agent)
        self._stopping = Event()

    def stop(self) -> None:
        """End soon; from any thread or signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Until `stop`.

        Raises:
            DeviceTrouble: RL-DEVICE-008 when another agent runs this camera, -011 when relens itself was replaced.
        """
        with self.store.agent(), self._post:
            self.store.mend()
            self._follower.start()
            while not self._stopping.is_set():
                self._take_in(nullcontext)
                standing = self.store.standing()
                if standing.active is None:
                    self._heart.beat("no bundle yet")
                    self._stopping.wait(TICK_S)
                elif standing.worn_out:
                    self._fail(standing.active, f"started {MOST_STARTS} times and never stayed healthy")
                else:
                    self.store.start()
                    self._attend(standing.active)
            self._follower.stop()
            self._heart.stop()

    def _take_in(self, quiet: Callable[[], AbstractContextManager[None]]) -> None:
        """Install what was put into the inbox; whoever brought it is told what became of it."""
        self._post.tick()
        for file in self.store.inbox.waiting():
            with quiet(), self._heart.beating(f"judging {file.name}", INSTALL_S):
                answer = bring_in_apart(self.store, file)
            if answer.installed is None:
                self.store.journal.note("refused", file=file.name, why=f"{answer.code}: {answer.message}")
                self.say(f"{file.name}: {answer.code}: {answer.message}")
            else:
                self.say(f"{file.name}: installed as {answer.installed}")
            self.store.inbox.answer(file, answer)

    def _attend(self, bundle: str) -> None:
        """Run one bundle until it ends, fails, or another one is to run."""
        oversight = Oversight(self.store, bundle, self.settings.agent.confirm_after_s, self._heart, self.say)
        self.say(f"{bundle}: started")
        orders = Orders(state=self.store.folder, bundle=bundle, settings=self.settings, real_time=self.real_time)
        with WorkerProcess(orders) as worker:
            while not self._stopping.is_set() and self.store.standing().active == bundle:
                said = worker.hear(TICK_S)
                if said is None:
                    self._ended(bundle, worker.last_words())
                    return
                if worker.silent_s > self.patience.silent_s:
                    worker.kill()
                    self._ended(bundle, f"it said nothing for {worker.silent_s:.0f} s")
                    return
                if "trouble" in said:
                    self._troubled(bundle, **said["trouble"])
                    return
                if "report" in said and (why := oversight.read(Report.from_json(said["report"]))):
                    worker.kill()
                    self._fail(bundle, why)
                    return
                self._pass_on(said)
                self._take_in(worker.paused)

    def _pass_on(self, said: Mapping[str, Any]) -> None:
        """What a worker says beside its reports."""
        if "stale" in said:
            self.store.excuse()
            raise _replaced()
        if "event" in said:
            self._post.wake()
        if "no_page" in said:
            self.say(f"no live page: {said['no_page']}")
            self.store.journal.note("no live page", why=said["no_page"])
        if "page" in said:
            with suppress(OSError):
                note_page(self.store, said["page"])
            self.say(f"live page: {said['page']} (relens device page tells its key)")

    def _troubled(self, bundle: str, code: str, message: str) -> None:
        """Its process ended with an error of ours; a camera that gives nothing is not the bundle's fault."""
        if code.startswith((*DAMAGED, UNFIT)):
            self._fail(bundle, message if code.startswith(UNFIT) else f"damaged on the disk: {message}")
            return
        if code.startswith("RL-CAMERA"):
            self.store.excuse()
        self._ended(bundle, f"{code}: {message}")

    def _ended(self, bundle: str, why: str) -> None:
        """It will be started again, unless that was too often."""
        self._heart.beat(f"{bundle}: {why}")
        self.say(f"{bundle}: {why}")
        self.store.journal.note("ended", bundle=bundle, why=why)
        self._stopping.wait(self.patience.rest_s)

    def _fail(self, bundle: str, why: str) -> None:
        """Back to the one before; where there is none it is tried again."""
        if self.store.fail(bundle, why).active == bundle:
            self._ended(bundle, f"{why}; there is no other to go back to")
        else:
            self.say(f"{bundle}: {why}; rolled back")


def _replaced() -> DeviceTrouble:
    return DeviceTrouble(
        "RL-DEVICE-011",
        "relens was replaced under the running agent: what it starts now does not understand it",
        hint="start the agent again; a service does so by itself",
    )
