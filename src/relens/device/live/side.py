"""What a page shows and does beside the picture, where an agent keeps the camera."""

from typing import Any, Protocol


class CameraSide(Protocol):
    """The camera behind the loop; every method reads or writes its disk, and may be called from any thread."""

    def bundles(self) -> dict[str, Any]:
        """What is there and what runs, as `relens device status --json` tells it."""
        ...

    def events(self, limit: int) -> list[dict[str, Any]]:
        """The last events, the newest first: their facts, `number` and `has_picture`."""
        ...

    def picture(self, number: int) -> bytes | None:
        """An event's JPEG."""
        ...

    def confirm(self) -> None:
        """Take what runs for good."""
        ...

    def roll_back(self) -> None:
        """Go back to the bundle before.

        Raises:
            DeviceTrouble: RL-DEVICE-005 when there is none.
        """
        ...
