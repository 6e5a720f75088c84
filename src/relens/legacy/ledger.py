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
    warnings: dict[str, None] = field(default_factory=dict)
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

    def warn(self, text: str) -> bool:
        """Note a warning; whether it is a new one."""
        new = text not in self.warnings and len(self.warnings) < KEPT
        if new:
            self.warnings[text] = None
        return new

    def trouble(self, trouble: RelensError) -> bool:
        """Note what went wrong; whether there was room for it: a function may find ever new ways to be refused."""
        room = len(self.troubles) < KEPT
        if room:
            self.troubles.append(trouble)
        return room

    @property
    def last_words(self) -> str | None:
        """What the function published last, shortened."""
        said = self.newest(1)
        return said[0].text[:SHORT] if said else None
