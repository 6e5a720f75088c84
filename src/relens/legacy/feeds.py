"""What an old function feeds into its model, and how that becomes the input tensor.

uint8 is a picture, BGR as OpenCV has it: the bundle's own `[input]` says what becomes of it. Floats that lie between 0
and 255 and reach beyond `MOST_SCALED` are a picture that was only cast. All other floats were scaled by the function,
and go in as they are: colour order and values are the function's affair then, as they were on a DeepLens.
"""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from relens.errors import LegacyTrouble
from relens.graph import Tensor
from relens.vision import Frame, Prepared, Preprocessor
from relens.vision.placement import place

MOST_SCALED = 2.0
"""No training scales pixels to a range from 0 to more than this, and any picture but a black one reaches it."""


@dataclass(frozen=True)
class Feed:
    """One picture. values: (H, W, C), uint8 BGR, or floats that are scaled already."""

    values: NDArray[Any]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.values.shape[0], self.values.shape[1]


def feed(given: Any) -> Feed:
    """What a function gave to `doInference`: (H, W, C), (H, W), (C, H, W), or one of them with a batch of one.

    Raises:
        LegacyTrouble: RL-LEGACY-005 when it is no picture.
    """
    values = np.asarray(given)
    if values.ndim == 4 and values.shape[0] == 1:
        values = values[0]
    if values.ndim == 2:
        values = values[..., None]
    if values.ndim == 3 and values.shape[2] not in (1, 3) and values.shape[0] in (1, 3):
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[2] not in (1, 3) or values.dtype.kind not in "uif" or 0 in values.shape:
        raise LegacyTrouble(
            "RL-LEGACY-005",
            f"doInference was given {values.dtype} of shape {np.shape(given)}, and takes one picture",
            hint="feed (height, width, 3), BGR as cv2 has it; cv2.resize(frame, (width, height)) gives that",
        )
    if values.dtype != np.uint8 and _is_picture(values):
        values = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    return Feed(values if values.dtype == np.uint8 else values.astype(np.float32))


def prepare(fed: Feed, preprocessor: Preprocessor, tensor: Tensor) -> Prepared:
    """The input tensor: pictures by the bundle's contract, scaled floats as they are."""
    if fed.values.dtype == np.uint8:
        return preprocessor(_bgr(fed.values))
    height, width = preprocessor.size
    values = fed.values
    if fed.size != preprocessor.size:
        values = cv2.resize(values, (width, height)).reshape(height, width, -1)
    channels = tensor.shape[1] if preprocessor.channels_first else tensor.shape[3]
    if values.shape[2] != channels:
        values = values.mean(axis=2, keepdims=True) if channels == 1 else np.repeat(values[..., :1], channels, axis=2)
    if tensor.scale is not None:
        limits = np.iinfo(tensor.dtype)
        values = np.clip(np.rint(values / tensor.scale) + tensor.zero_point, limits.min, limits.max)
    if preprocessor.channels_first:
        values = values.transpose(2, 0, 1)
    laid_out = np.ascontiguousarray(values[None], dtype=np.dtype(tensor.dtype))
    return Prepared(laid_out, place(fed.size, preprocessor.size, "stretch"))


def _is_picture(values: NDArray[Any]) -> bool:
    low, high = float(values.min()), float(values.max())
    return values.dtype.kind in "ui" or (low >= 0 and MOST_SCALED < high <= 255)


def _bgr(picture: Frame) -> Frame:
    if picture.shape[2] == 1:
        return np.asarray(cv2.cvtColor(picture, cv2.COLOR_GRAY2BGR), np.uint8)
    return np.ascontiguousarray(picture)
