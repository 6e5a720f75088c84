"""Frames as JPEG."""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np

from relens.vision.draw import draw
from relens.vision.prediction import Detections, Prediction
from relens.vision.preprocess import Frame

QUALITY = 80


def jpeg(frame: Frame, quality: int = QUALITY) -> bytes:
    """A frame (H, W, 3) uint8 BGR as JPEG; quality: 0..100.

    Raises:
        ValueError: no JPEG has this shape.
    """
    done, content = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise ValueError(f"a frame of shape {frame.shape} cannot be a JPEG")
    return bytes(content.tobytes())


def drawn_jpeg(
    frame: Frame,
    prediction: Prediction,
    labels: Sequence[str],
    *,
    ids: Sequence[int | None] = (),
    scale: float = 1.0,
    quality: int = QUALITY,
) -> bytes:
    """A frame as JPEG, `scale` times its size, with what was found drawn in. ids: see `draw`; raises as `jpeg`."""
    if scale != 1:
        height, width = frame.shape[:2]
        size = max(1, round(width * scale)), max(1, round(height * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        frame = np.asarray(cv2.resize(frame, size, interpolation=how), np.uint8)
        if isinstance(prediction, Detections):
            prediction = replace(prediction, boxes=prediction.boxes * np.float32(scale))
    return jpeg(draw(frame, prediction, labels, ids), quality)
