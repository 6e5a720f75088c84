"""What a function has done so far, and what it has said."""

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timezone
from threading import Lock
from typing import Any

from relens.errors import RelensError

KEPT = 200
SHORT = 200


@dataclass(frozen=True)
class Message:
    """One that was published. number: counts from 1. at: ISO 8601, UTC."""

    number: int
    at: str
    topic: str
    payload: bytes

    @property
    def text(self) -> str:
        """The payload, as far as it is text."""
        return self.payload.decode(errors="replace")

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"at": self.at, "topic": self.topic, "payload": self.text}


@dataclass
class Ledger:
    """Written by the parent's threads, read by the live page's."""

    published: int = 0
    inferences: int = 0
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=KEPT))
    warnings: list[str] = field(default_factory=list)
    troubles: list[RelensError] = field(default_factory=list)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    walls: dict[str, Any] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def publish(self, topic: str, payload: bytes) -> Message:
        """Note a message."""
        with self._lock:
            self.published += 1
            now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            message = Message(self.published, now, topic, payload)
            self.messages.append(message)
            return message

    def newest(self, limit: int = KEPT) -> list[Message]:
        """The newest messages, the newest first."""
        with self._lock:
            return list(self.messages)[::-1][:limit]

    @property
    def last_words(self) -> str | None:
        """What the function published last, shortened."""
        said = self.newest(1)
        return said[0].text[:SHORT] if said else None
