"""Detections and things in few words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from relens.bundle.bundle import Bundle
from relens.device.events.event import Thing
from relens.device.model import load_model
from relens.vision import Detections, Frame, Prediction

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


@dataclass(frozen=True)
class Moment:
    """A frame of a clip, when it is shown, and what YOLOX-nano sees on it."""

    time_s: float
    frame: Frame
    prediction: Prediction


@pytest.fixture(scope="session")
def bottles(yolox_bundle: Bundle, shared_clip: Path) -> list[Moment]:
    """A real clip at five frames a second: three bottles, taken away and put back by a hand.

    The left one is away from 7 to 12 s and from 18 to 28 s, the middle one from 18 to 22 s, the right one from 32 to
    35 s; it ends at 40 s.
    """
    model, moments = load_model(yolox_bundle), []
    with av.open(str(shared_clip)) as clip:
        for number, picture in enumerate(clip.decode(video=0)):
            if number % 6 == 0:
                frame = picture.to_ndarray(format="bgr24")
                moments.append(Moment(picture.time, frame, model.predict(frame)))
    return moments
