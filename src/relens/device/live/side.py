"""What a page shows and does beside the picture, where an agent keeps the camera."""

from typing import Any, Protocol


class CameraSide(Protocol):
    """The camera behind the loop; every method reads or writes its disk, and may be called from any thread.

    Each raises DeviceTrouble with RL-DEVICE-004 when the disk refuses.
    """

    def bundles(self) -> dict[str, Any]:
        """What is there and what runs, as `relens device status --json` tells it."""
        ...

    def events(self, limit: int) -> list[dict[str, Any]]:
        """The last events, the newest first: their facts, `number` and `has_picture`."""
        ...

    def picture(self, number: int) -> bytes | None:
        """An event's JPEG."""
        ...

    def events_kept(self) -> int:
        """How many there are."""
        ...

    def confirm(self, bundle: str | None = None) -> None:
        """Take a bundle (None: what runs) for good; nothing changes if another one is active by now."""
        ...

    def roll_back(self, bundle: str | None = None) -> None:
        """Leave a bundle (None: what runs) for the one before; nothing changes if another one is active by now.

        Raises:
            DeviceTrouble: RL-DEVICE-005 when there is none.
        """
        ...
