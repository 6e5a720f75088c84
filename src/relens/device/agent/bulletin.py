"""A camera's status as news: told when something has happened, and now and then."""

from contextlib import suppress
from time import monotonic
from typing import Any

from relens.device.agent.status import camera_status
from relens.device.agent.store import Store

EVERY_S = 60.0


class Bulletin:
    """Used by one thread.

    Args:
        store: the camera's disk.
        camera: what it is called.
        every_s: at the latest, so that the frame rate is not too old.
    """

    def __init__(self, store: Store, camera: str, every_s: float = EVERY_S) -> None:
        self._store, self._camera, self._every_s = store, camera, every_s
        self._seen: object = None
        self._next_s = 0.0

    def forget(self) -> None:
        """Whoever is told next has heard nothing yet."""
        self._seen = None

    def news(self) -> dict[str, Any] | None:
        """The status as plain values; None when there is nothing new."""
        seen = self._look()
        if seen == self._seen and monotonic() < self._next_s:
            return None
        self._seen, self._next_s = seen, monotonic() + self._every_s
        return camera_status(self._store, self._camera).to_json()

    def _look(self) -> object:
        """What changes whenever something happens, and is cheap to see."""
        with suppress(OSError):
            journal = self._store.journal.path.stat()
            return self._store.standing(), journal.st_size, journal.st_mtime_ns
        return self._store.standing(), None
