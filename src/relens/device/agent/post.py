"""The camera's events on their way out: one log, and a courier for everybody who is told."""

import socket
from contextlib import suppress
from time import monotonic, sleep
from types import TracebackType

from relens.device.agent.bulletin import Bulletin
from relens.device.agent.store import Store
from relens.device.events.log import EventLog
from relens.device.outlets import Courier, CourierStatus, open_outlets
from relens.errors import DeviceTrouble
from relens.spec import CameraSettings

PRUNE_S = 3600.0
LAST_S = 2.0
"""For the last events before the end; what is left then goes out after the next start."""


class Post:
    """Delivers from `with` to its end.

    Lives in the agent, which outlives every bundle; the process of a bundle only writes into the log.

    Args:
        store: the camera's disk.
        settings: who is told, and how much is kept.

    Raises:
        BadConfig: RL-CONFIG-006 when a library that an outlet needs is not installed.
    """

    def __init__(self, store: Store, settings: CameraSettings) -> None:
        self.log = event_log(store, settings)
        camera = camera_name(settings)
        outlets = open_outlets(settings, camera, Bulletin(store, camera))
        self.couriers = [Courier(self.log, outlet, store.journal.note) for outlet in outlets]
        self._prune_s = monotonic()

    def __enter__(self) -> "Post":
        for courier in self.couriers:
            courier.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wake()
        end_s = monotonic() + LAST_S
        while self._on_their_way() and monotonic() < end_s:
            sleep(0.05)
        for courier in self.couriers:
            courier.stop()
        self.log.close()

    def _on_their_way(self) -> bool:
        """Whether somebody who is there has not been told everything."""
        with suppress(DeviceTrouble):
            return any(one.waiting and one.trouble is None for one in self.status())
        return False

    def tick(self) -> None:
        """Drop what is too old, now and then."""
        if monotonic() >= self._prune_s and self.log.begun:
            self._prune_s = monotonic() + PRUNE_S
            with suppress(DeviceTrouble):  # a log that cannot be read is told of by who reads it
                self.log.prune()

    def wake(self) -> None:
        """There is a new event."""
        for courier in self.couriers:
            courier.wake()

    def status(self) -> list[CourierStatus]:
        """Where each outlet stands."""
        return [courier.status() for courier in self.couriers]


def event_log(store: Store, settings: CameraSettings) -> EventLog:
    """The camera's; nothing is opened before it is used."""
    return EventLog(store.events, settings.keep, lambda why: store.journal.note("event log set aside", why=why))


def camera_name(settings: CameraSettings) -> str:
    """What the camera is called elsewhere."""
    return settings.camera.name or socket.gethostname()
