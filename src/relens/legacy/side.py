"""What the live page shows beside the picture: what the function has published, as events, and its models."""

from typing import Any

from relens.errors import DeviceTrouble
from relens.legacy.ledger import SHORT, Ledger, Message


class FunctionSide:
    """A `relens.device.live.CameraSide` without an agent: nothing can be confirmed or taken back."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    def bundles(self) -> dict[str, Any]:
        """The models that the function has loaded."""
        loaded = [
            {"id": one["sha256"][:12], "name": name, "stage": "loaded", "note": one["engine"]}
            for name, one in dict(self.ledger.models).items()
        ]
        return {"active": None, "fallback": None, "bundles": loaded, "outlets": []}

    def events(self, limit: int) -> list[dict[str, Any]]:
        """What it has published, the newest first."""
        return [_event(message) for message in self.ledger.newest(limit)]

    def picture(self, number: int) -> bytes | None:
        """None: what is published has no picture."""
        return None

    def events_kept(self) -> int:
        """How many messages there were."""
        return self.ledger.published

    def confirm(self, bundle: str | None = None) -> None:
        """Refused."""
        raise _refused()

    def roll_back(self, bundle: str | None = None) -> None:
        """Refused."""
        raise _refused()


def _event(message: Message) -> dict[str, Any]:
    return {
        "number": message.number,
        "event": message.topic,
        "phase": "began",
        "at": message.at,
        "lasted_s": 0.0,
        "things": [{"label": message.text[:SHORT]}],
        "has_picture": False,
    }


def _refused() -> DeviceTrouble:
    return DeviceTrouble(
        "RL-DEVICE-005",
        "an old function runs here, and no agent that keeps bundles",
        hint="relens device run keeps a bundle, and goes back to the one before",
    )
