"""Where a frame landed in the model's input, and the way back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relens.spec import InputSpec


@dataclass(frozen=True)
class Placement:
    """`input = frame * scale + offset`, for x and y.

    frame, input: (height, width) in pixels. inner: (height, width) of the resized picture inside the input,
    before cutting (`crop`) or padding (`letterbox`).
    """

    frame: tuple[int, int]
    input: tuple[int, int]
    inner: tuple[int, int]
    offset_x: int
    offset_y: int

    def to_frame(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map boxes (N, 4) x1 y1 x2 y2 from input pixels to frame pixels, clipped to the frame."""
        height, width = self.frame
        scale_x, scale_y = self.inner[1] / width, self.inner[0] / height
        offset = np.array([self.offset_x, self.offset_y] * 2, np.float32)
        scale = np.array([scale_x, scale_y] * 2, np.float32)
        mapped: NDArray[np.float32] = (boxes - offset) / scale
        return np.clip(mapped, 0, np.array([width, height] * 2, np.float32))


def place(frame: tuple[int, int], size: tuple[int, int], resize: str) -> Placement:
    """Decide where a frame of (height, width) goes in an input of (height, width).

    Args:
        frame: the frame's height and width.
        size: the input's height and width.
        resize: one of the rules of `InputSpec.resize`.
    """
    (fh, fw), (h, w) = frame, size
    if resize == "stretch":
        return Placement(frame, size, size, 0, 0)
    choose = max if resize == "crop" else min
    ratio = choose(h / fh, w / fw)
    # Rounding down keeps a letterboxed picture inside; a cropped one must cover, hence the max.
    inner = (max(1, int(fh * ratio)), max(1, int(fw * ratio)))
    if resize == "crop":
        inner = (max(inner[0], h), max(inner[1], w))
    if resize == "letterbox-top-left":
        return Placement(frame, size, inner, 0, 0)
    return Placement(frame, size, inner, (w - inner[1]) // 2, (h - inner[0]) // 2)


def input_size(spec: InputSpec, shape: tuple[int, ...]) -> tuple[int, int]:
    """Height and width: as the spec says, else as the input tensor (1, H, W, C) or (1, C, H, W) has them."""
    if spec.size is not None:
        return spec.size
    return (shape[2], shape[3]) if is_channels_first(shape) else (shape[1], shape[2])


def is_channels_first(shape: tuple[int, ...]) -> bool:
    """Whether a 4-D input tensor is (1, C, H, W)."""
    return len(shape) == 4 and shape[1] in (1, 3) and shape[3] not in (1, 3)
