"""Draw a prediction on a frame."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from relens.vision.prediction import Classes, Detections, Prediction, class_name

# Okabe-Ito, the palette that colour-blind people can tell apart, as BGR.
PALETTE = (
    (0, 159, 230),
    (233, 180, 86),
    (115, 158, 0),
    (66, 228, 240),
    (178, 114, 0),
    (0, 94, 213),
    (167, 121, 204),
)


def draw(
    frame: NDArray[np.uint8], prediction: Prediction, labels: Sequence[str], ids: Sequence[int | None] = ()
) -> NDArray[np.uint8]:
    """A copy of `frame` (H, W, 3) uint8 BGR with boxes, or with the best classes in a corner.

    ids: who each box is, where somebody follows them.
    """
    picture = frame.copy()
    scale = max(0.4, min(frame.shape[:2]) / 900)
    if isinstance(prediction, Detections):
        who = ids or [None] * len(prediction)
        for box, score, kind, one in zip(prediction.boxes, prediction.scores, prediction.classes, who, strict=True):
            x1, y1, x2, y2 = (round(float(edge)) for edge in box)
            colour = PALETTE[int(kind) % len(PALETTE)]
            cv2.rectangle(picture, (x1, y1), (x2, y2), colour, max(2, round(scale * 2)))
            text = f"{class_name(labels, int(kind))} {score:.2f}" + (f" #{one}" if one else "")
            _tag(picture, text, (x1, y1), colour, scale)
    elif isinstance(prediction, Classes):
        for row, (index, score) in enumerate(prediction.top(3)):
            text = f"{class_name(labels, index)} {score:.2f}"
            _tag(picture, text, (4, round((row + 1) * 34 * scale)), PALETTE[row], scale)
    return picture


def _tag(
    picture: NDArray[np.uint8], text: str, corner: tuple[int, int], colour: tuple[int, int, int], scale: float
) -> None:
    (width, height), base = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x, y = corner
    y = max(y, height + base)
    cv2.rectangle(picture, (x, y - height - base), (x + width, y), colour, cv2.FILLED)
    cv2.putText(picture, text, (x, y - base // 2), cv2.FONT_HERSHEY_SIMPLEX, scale, (20, 20, 20), 1, cv2.LINE_AA)
