"""The camera as its live page sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from relens.device.agent.inventory import overview
from relens.device.agent.store import Store
from relens.device.events.log import EventLog
from relens.errors import DeviceTrouble


class StoreSide:
    """A `relens.device.live.CameraSide` on a camera's disk.

    Args:
        store: the disk.
        log: its events.
    """

    def __init__(self, store: Store, log: EventLog) -> None:
        self.store, self.log = store, log

    def bundles(self) -> dict[str, Any]:
        """See `CameraSide.bundles`."""
        with self._careful():
            return overview(self.store).to_json()

    def events(self, limit: int) -> list[dict[str, Any]]:
        """See `CameraSide.events`."""
        found = self.log.newest(limit)
        return [{**one.facts, "number": one.number, "has_picture": one.has_picture} for one in found]

    def picture(self, number: int) -> bytes | None:
        """See `CameraSide.picture`."""
        return self.log.picture(number)

    def events_kept(self) -> int:
        """See `CameraSide.events_kept`."""
        return self.log.count()

    def confirm(self, bundle: str | None = None) -> None:
        """See `CameraSide.confirm`."""
        with self._careful():
            self.store.confirm(bundle)

    def roll_back(self, bundle: str | None = None) -> None:
        """See `CameraSide.roll_back`."""
        with self._careful():
            self.store.roll_back("rolled back on the live page", bundle)

    @contextmanager
    def _careful(self) -> Iterator[None]:
        try:
            yield
        except OSError as trouble:
            raise DeviceTrouble(
                "RL-DEVICE-004",
                f"the camera's state in {self.store.folder}: {trouble.strerror or trouble}",
                hint=f"df -h {self.store.folder}",
            ) from None
