"""One contract from frame to input tensor; calibration, evaluation and camera all go through here."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from relens.errors import BadConfig
from relens.graph import Tensor
from relens.spec import InputSpec, Scaling
from relens.vision.placement import Placement, input_size, is_channels_first, place

Frame = NDArray[np.uint8]
"""A picture: (H, W, 3) uint8 BGR 0..255, the order that OpenCV and the decoders give."""


@dataclass(frozen=True)
class Prepared:
    """An input tensor, (1, H, W, C) or (1, C, H, W) in the graph's own dtype, and where the frame is in it."""

    tensor: NDArray[np.generic]
    placement: Placement


def picture_input(inputs: Sequence[Tensor]) -> Tensor:
    """The one input that a picture fills.

    Raises:
        BadConfig: RL-CONFIG-003, there are others besides.
    """
    if len(inputs) != 1:
        names = ", ".join(tensor.name for tensor in inputs)
        raise BadConfig(
            "RL-CONFIG-003",
            f"the model has {len(inputs)} inputs ({names}), and a picture fills one",
            hint="export the model with one picture input, the others as constants",
        )
    return inputs[0]


class Preprocessor:
    """Turns frames into the input tensor of one graph.

    Resizing and colour happen on uint8. Scaling, and quantization where the graph takes integers, are one
    look-up table of 256 values a channel, so that float and int8 graphs see the very same pixels.

    Not safe for use from two threads: the picture buffer is reused.
    """

    def __init__(self, spec: InputSpec, tensor: Tensor) -> None:
        if len(tensor.shape) != 4 or tensor.shape[0] != 1:
            raise BadConfig(
                "RL-CONFIG-003",
                f"input `{tensor.name}` has shape {tensor.shape}, and a picture needs (1, height, width, channels)",
                hint="a model that does not look at pictures: relens convert, for int8 with --calibration INPUTS.npy",
            )
        self.spec = spec
        self.channels_first = is_channels_first(tensor.shape)
        self.size = input_size(spec, tensor.shape)
        channels = tensor.shape[1] if self.channels_first else tensor.shape[3]
        if (spec.colour == "grey") != (channels == 1):
            raise BadConfig(
                "RL-CONFIG-003",
                f"input `{tensor.name}` has {channels} channels, and `input.colour` is `{spec.colour}`",
                hint='colour = "grey" goes with one channel, "rgb" and "bgr" with three',
            )
        if len(spec.scaling.mean) not in (1, channels):
            raise BadConfig(
                "RL-CONFIG-003",
                f"`input.scaling` has {len(spec.scaling.mean)} means, and input `{tensor.name}` {channels} channel(s)",
                hint="give one mean and std, or one a channel",
            )
        if self.size != input_size(InputSpec(), tensor.shape):
            raise BadConfig(
                "RL-CONFIG-003",
                f"`input.size` is {list(self.size)}, and input `{tensor.name}` has shape {tensor.shape}",
                hint="leave `size` out: the model's own is taken",
            )
        self.table = scaling_table(spec.scaling, channels, tensor)
        self._canvas: Frame = np.full((*self.size, 3), spec.pad, np.uint8)
        self._inner: tuple[int, int] | None = None

    def __call__(self, frame: Frame) -> Prepared:
        """Prepare one frame, (H, W, 3) uint8 BGR."""
        placement = place((frame.shape[0], frame.shape[1]), self.size, self.spec.resize)
        picture = self._resized(frame, placement)
        if self.spec.colour == "rgb":
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        elif self.spec.colour == "grey":
            picture = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)[..., None]
        scaled = cv2.LUT(picture, self.table).reshape(picture.shape)
        if self.channels_first:
            scaled = np.ascontiguousarray(scaled.transpose(2, 0, 1))
        return Prepared(scaled[None], placement)

    def _resized(self, frame: Frame, placement: Placement) -> Frame:
        height, width = placement.inner
        if self.spec.resize in ("stretch", "crop"):
            picture = resized(frame, width, height, self.spec.interpolation)
            top, left = -placement.offset_y, -placement.offset_x
            return np.ascontiguousarray(picture[top : top + self.size[0], left : left + self.size[1]])
        if self._inner != placement.inner:
            self._canvas[:] = self.spec.pad
            self._inner = placement.inner
        y, x = placement.offset_y, placement.offset_x
        self._canvas[y : y + height, x : x + width] = resized(frame, width, height, self.spec.interpolation)
        return self._canvas


def resized(frame: Frame, width: int, height: int, interpolation: str) -> Frame:
    """Resize (H, W, 3) uint8 by one of the ways of `InputSpec.interpolation`."""
    if interpolation == "antialias":
        # Imported on first use: most projects do without it.
        from PIL import Image

        return np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR), np.uint8)
    shrinks = height * width < frame.shape[0] * frame.shape[1]
    way = cv2.INTER_AREA if interpolation == "area" and shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(frame, (width, height), interpolation=way), np.uint8)


def scaling_table(scaling: Scaling, channels: int, tensor: Tensor) -> NDArray[np.generic]:
    """The value of each pixel level: (1, 256, channels), or (1, 256, 1) for all alike, in the tensor's dtype.

    Float tensors get `(level - mean) / std`; integer ones that value quantized by the tensor's scale and zero
    point, rounded half to even and clipped, as the TFLite quantization specification says.
    """
    levels = np.arange(256, dtype=np.float64)[None, :, None]
    mean, std = (np.broadcast_to(np.array(v, np.float64), (channels,)) for v in (scaling.mean, scaling.std))
    values = (levels - mean) / std
    if np.all(values == values[..., :1]):
        values = values[..., :1]  # one column for all channels: half the time, measured at 416 x 416
    if tensor.scale is None:
        return np.ascontiguousarray(values, dtype=np.float32)
    kind = np.dtype(tensor.dtype)
    limits = np.iinfo(kind)
    steps = np.round(values / tensor.scale) + tensor.zero_point
    return np.ascontiguousarray(np.clip(steps, limits.min, limits.max).astype(kind))
