"""Detections and things in few words."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from relens.device.events.event import Thing
from relens.vision import Detections

Box = Sequence[float]


@pytest.fixture(scope="session")
def found() -> Callable[..., Detections]:
    """Detections: boxes x1 y1 x2 y2 in pixels, then their score and class, one for all or one each."""

    def make(boxes: Sequence[Box], scores: object = 0.9, classes: object = 0) -> Detections:
        return Detections(
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(np.broadcast_to(np.array(scores, np.float32), len(boxes))),
            np.array(np.broadcast_to(np.array(classes, np.int64), len(boxes))),
        )

    return make


@pytest.fixture(scope="session")
def thing() -> Callable[..., Thing]:
    """A thing whose feet are at x and y."""

    def make(number: int = 1, label: str = "cat", score: float = 0.9, at: tuple[float, float] = (0.5, 0.5)) -> Thing:
        x, y = at
        return Thing(number, label, score, (x - 0.05, y - 0.2, x + 0.05, y))

    return make
