"""A frame as viewers see it: what was found, and which of it is the same thing as before."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from relens.device.events.event import Thing
from relens.device.loop import LiveFrame
from relens.vision import Detections, drawn_jpeg, to_json


@dataclass(frozen=True)
class Shown:
    """One published frame. things: what is followed on it, with ids; nothing where there are no rules."""

    live: LiveFrame
    things: Sequence[Thing] = ()
    labels: Sequence[str] = field(default=(), repr=False)

    def ids(self) -> list[int | None]:
        """The id of each detection; None for one that is not followed."""
        found = self.live.prediction
        if not isinstance(found, Detections):
            return []
        known = {thing.row: thing.id for thing in self.things}
        return [known.get(row) for row in range(len(found))]

    def jpeg(self) -> bytes:
        """The picture, with what was found drawn in; raises as `relens.vision.jpeg`."""
        return drawn_jpeg(self.live.frame, self.live.prediction, self.labels, ids=self.ids())

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded for reading."""
        live, prediction = self.live, to_json(self.live.prediction, self.labels)
        for detection, track in zip(prediction.get("detections", ()), self.ids(), strict=True):
            detection["track"] = track
        return {
            "number": live.number,
            "age_ms": round(live.age_ms, 1),
            "width": live.frame.shape[1],
            "height": live.frame.shape[0],
            "prediction": prediction,
        }
