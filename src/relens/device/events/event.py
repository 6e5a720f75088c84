"""What was noticed, as it is kept, shown and sent."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from enum import Enum
from typing import Any

BLIND_S = 10.0
"""After so long without a frame, what was seen before says nothing about now."""


class Phase(str, Enum):
    """Which end of it."""

    BEGAN = "began"
    ENDED = "ended"


@dataclass(frozen=True)
class Thing:
    """Something on one frame.

    id: the same on every frame for as long as it is there. score: 0..1. box: x1 y1 x2 y2 as fractions 0..1 of the
    frame; None where the model classifies the whole frame. row: which of the frame's detections, or classes, it is.
    """

    id: int
    label: str
    score: float
    box: tuple[float, float, float, float] | None = None
    row: int | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded for reading."""
        box = None if self.box is None else [round(edge, 4) for edge in self.box]
        return {"id": self.id, "label": self.label, "score": round(self.score, 4), "box": box}


@dataclass(frozen=True)
class Event:
    """The beginning or the end of what a rule watches for.

    rule: its name. at_s: seconds since 1970 (UTC). things: which of them make it so; at its end, the last that did.
    lasted_s: from beginning to end; 0 at the beginning.
    """

    rule: str
    phase: Phase
    at_s: float
    things: Sequence[Thing]
    lasted_s: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values; `at` is ISO 8601 in UTC."""
        at = datetime.fromtimestamp(self.at_s, timezone.utc).isoformat(timespec="milliseconds")
        return {
            "event": self.rule,
            "phase": self.phase.value,
            "at": at,
            "lasted_s": round(self.lasted_s, 2),
            "things": [thing.to_json() for thing in self.things],
        }


def told(facts: Mapping[str, Any]) -> str:
    """An event's JSON in one line, for people."""
    seen = Counter(thing["label"] for thing in facts["things"])
    what = ", ".join(f"{count} x {label}" if count > 1 else label for label, count in seen.items())
    lasted = f" after {facts['lasted_s']:.1f} s" if facts["phase"] == Phase.ENDED.value else ""
    return f"{facts['at']}  {facts['event']}: {facts['phase']}{lasted}{f' ({what})' if what else ''}"
