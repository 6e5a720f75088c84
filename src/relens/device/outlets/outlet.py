"""What a courier delivers to."""

import base64
import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from relens.device import credentials
from relens.device.events.log import Entry
from relens.errors import DeviceTrouble


@dataclass(frozen=True)
class Receipt:
    """An outlet is done with an event. refusal: why it does not take this one, now or ever; None: it has it."""

    number: int
    refusal: DeviceTrouble | None = None


class Outlet(Protocol):
    """Somebody who is told of events; used by one thread.

    `open` and `send` raise DeviceTrouble with RL-OUTLET-001 when it cannot be reached: nothing that was not receipted
    has certainly arrived. After that, `close`, and `open` again. Neither takes longer than half a minute in silence.
    """

    @property
    def name(self) -> str:
        """What its cursor and its status are called."""

    def open(self) -> None:
        """Reach it."""

    def send(self, entries: Sequence[Entry]) -> Iterator[Receipt]:
        """Tell it of some events, or of none to see whether it is still there; a receipt for each, in order."""

    def close(self) -> None:
        """Leave it in good order, or what is left of it; never raises."""


class News(Protocol):
    """How the camera is, for outlets that tell."""

    def forget(self) -> None:
        """Whoever is told next has heard nothing yet."""

    def news(self) -> dict[str, Any] | None:
        """Plain values; None when there is nothing new."""


def payload(entry: Entry, camera: str, *, picture: bool) -> dict[str, Any]:
    """What an outlet is told: an event's facts, its number, the camera, and its JPEG in base64 when asked for."""
    told = {**entry.facts, "number": entry.number, "camera": camera}
    if picture:
        jpeg = entry.picture()
        told["picture"] = None if jpeg is None else base64.b64encode(jpeg).decode()
    return told


def why_away(trouble: Exception) -> str:
    """Why somebody could not be reached, in words that quote nothing of what was sent."""
    if isinstance(trouble, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {trouble.verify_message}"
    if isinstance(trouble, TimeoutError):
        return "it did not answer in time"
    if isinstance(trouble, OSError) and trouble.strerror:
        return trouble.strerror
    # Never its str(): http.client puts an illegal token into its ValueError.
    return type(trouble).__name__


def read_secret(path: Path) -> str:
    """What a password or token file holds, without the end of its line.

    Raises:
        DeviceTrouble: RL-OUTLET-001 when it cannot be read.
    """
    try:
        return credentials.read_secret(path)
    except (OSError, UnicodeDecodeError) as trouble:
        why = trouble.strerror if isinstance(trouble, OSError) else "not UTF-8"
        raise DeviceTrouble("RL-OUTLET-001", f"{path} cannot be read: {why}", hint=f"ls -l {path}") from None
