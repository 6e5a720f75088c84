"""What a bundle's answers look like from outside: whether they are numbers, whether they change, what they show."""

from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np

from relens.device.loop import LiveFrame
from relens.vision import Classes, Detections, Frame, Outputs, Placement, Prediction, Prepared, Tensors, VisionModel
from relens.vision.prediction import class_name

SPARSE = 16
"""Every so many pixels of a frame tell whether it is another one."""


class Senses:
    """A model that is listened to while it works, for a few microseconds a frame.

    Args:
        model: does the work.
        labels: the names of its classes.
    """

    def __init__(self, model: VisionModel, labels: Sequence[str]) -> None:
        self.model, self.labels = model, labels
        self.unusable = 0
        self.frozen = 0
        self._seen: Counter[str] = Counter()
        self._last: tuple[Frame, Prediction] | None = None
        self._lock = Lock()

    def prepare(self, frame: Frame) -> Prepared:
        """The model's."""
        return self.model.prepare(frame)

    def infer(self, prepared: Prepared) -> Outputs:
        """The model's, with a look at the outputs: a sum is NaN or infinite where any value is."""
        outputs = self.model.infer(prepared)
        self.unusable += not all(np.isfinite(value.sum()) for value in outputs.values())
        return outputs

    def decode(self, outputs: Outputs, placement: Placement) -> Prediction:
        """The model's."""
        return self.model.decode(outputs, placement)

    def publish(self, live: LiveFrame) -> None:
        """Look at a frame and its prediction; a `relens.device.loop.Publisher`."""
        sparse, last = live.frame[::SPARSE, ::SPARSE].copy(), self._last
        self._last = (sparse, live.prediction)
        if last is not None:
            if not same(last[1], live.prediction):
                self.frozen = 0
            elif not np.array_equal(last[0], sparse):
                self.frozen += 1
        with self._lock:
            self._seen.update(shown(live.prediction, self.labels) or {""})

    def seen(self) -> dict[str, int]:
        """How many frames showed each label; "" counts those that showed none."""
        with self._lock:
            return dict(self._seen)


def shown(prediction: Prediction, labels: Sequence[str]) -> set[str]:
    """The labels that a prediction shows: the best class, or all that were detected; raw tensors show none."""
    if isinstance(prediction, Classes):
        return {class_name(labels, prediction.top(1)[0][0])}
    if isinstance(prediction, Detections):
        return {class_name(labels, int(kind)) for kind in prediction.classes}
    return set()


def same(one: Prediction, other: Prediction) -> bool:
    """Whether two predictions are the same to the last digit and say anything: no detections may well follow none."""
    if isinstance(one, Detections) and isinstance(other, Detections):
        return len(one) > 0 and np.array_equal(one.boxes, other.boxes) and np.array_equal(one.scores, other.scores)
    return all(np.array_equal(mine, theirs) for mine, theirs in zip(_values(one), _values(other), strict=True))


def _values(prediction: Prediction) -> list[Any]:
    if isinstance(prediction, Tensors):
        return list(prediction.values.values())
    return [prediction.scores]
