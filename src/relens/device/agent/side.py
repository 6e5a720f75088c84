"""The camera as its live page sees it."""

from typing import Any

from relens.device.agent.inventory import overview
from relens.device.agent.store import Store
from relens.device.events.log import EventLog


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
        return overview(self.store).to_json()

    def events(self, limit: int) -> list[dict[str, Any]]:
        """See `CameraSide.events`."""
        found = self.log.newest(limit)
        return [{**one.facts, "number": one.number, "has_picture": one.has_picture} for one in found]

    def picture(self, number: int) -> bytes | None:
        """See `CameraSide.picture`."""
        return self.log.picture(number)

    def confirm(self) -> None:
        """See `CameraSide.confirm`."""
        self.store.confirm_active()

    def roll_back(self) -> None:
        """See `CameraSide.roll_back`."""
        self.store.roll_back("rolled back on the live page")
