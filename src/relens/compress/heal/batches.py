"""Pictures in batches, streamed: each is read when its turn comes, lightly changed, and sent through the contract."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray

from relens.graph import Tensor
from relens.spec import InputSpec
from relens.vision import Frames
from relens.vision.preprocess import Frame, Preprocessor

Batch = NDArray[np.float32]
"""(N, H, W, C) or (N, C, H, W) float32: prepared pictures."""


@dataclass(frozen=True)
class Augmentation:
    """How much a picture may change; the teacher sees the changed picture too, so its answer stays right.

    flip: mirror left and right, every other picture.
    crop: the least share of height and width that is left.
    colour: brightness, contrast and the colours' balance change by at most this share.
    mixup: share of batches in which pictures are blended two and two (Zhang et al. 2018; for distillation: Beyer
        et al. 2022, "A good teacher is patient and consistent").
    """

    flip: bool = True
    crop: float = 0.75
    colour: float = 0.2
    mixup: float = 0.5

    def frame(self, frame: Frame, random: np.random.Generator) -> Frame:
        """One picture (H, W, 3) uint8, changed."""
        frame = self._cropped(frame, random)
        if self.flip and random.random() < 0.5:
            frame = np.ascontiguousarray(frame[:, ::-1])
        return self._coloured(frame, random) if self.colour else frame

    def _cropped(self, frame: Frame, random: np.random.Generator) -> Frame:
        height, width = frame.shape[:2]
        share = random.uniform(self.crop, 1.0, 2)
        high, wide = max(1, round(height * share[0])), max(1, round(width * share[1]))
        top, left = random.integers(height - high + 1), random.integers(width - wide + 1)
        return frame[top : top + high, left : left + wide]

    def _coloured(self, frame: Frame, random: np.random.Generator) -> Frame:
        contrast = 1 + random.uniform(-self.colour, self.colour)
        gains = contrast * (1 + random.uniform(-self.colour / 3, self.colour / 3, 3))
        offset = 128 * (1 - contrast) + 128 * random.uniform(-self.colour, self.colour)
        levels = np.arange(256)[None, :, None] * gains + offset
        return np.asarray(cv2.LUT(frame, np.clip(np.round(levels), 0, 255).astype(np.uint8)), np.uint8)


class Batches(keras.utils.PyDataset):
    """One epoch of training batches. What each holds depends on seed, epoch and place alone, so that a training that
    was killed goes on with the very same batches.
    """

    def __init__(
        self,
        frames: Frames,
        spec: InputSpec,
        tensor: Tensor,
        *,
        size: int,
        change: Augmentation,
        seed: int,
        epoch: int,
        labels: Batch | None = None,
    ) -> None:
        super().__init__()
        self.frames, self.change, self.seed, self.epoch, self.labels = frames, change, seed, epoch, labels
        self.name, self.prepare = tensor.name, Preprocessor(spec, tensor)
        self.size = min(size, len(frames))
        self.order = np.random.default_rng((seed, epoch)).permutation(len(frames))

    def __len__(self) -> int:
        return len(self.frames) // self.size

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        random = np.random.default_rng((self.seed, self.epoch, index))
        chosen = self.order[index * self.size : (index + 1) * self.size]
        pictures = [self.change.frame(self.frames[int(place)], random) for place in chosen]
        batch = np.concatenate([self.prepare(picture).tensor for picture in pictures])
        share = random.uniform(0.0, 0.5, len(chosen)) * (random.random() < self.change.mixup)
        mixed = {self.name: _blended(batch, share)}
        return (mixed,) if self.labels is None else (mixed, _blended(self.labels[chosen], share))


def _blended(batch: Batch, share: NDArray[np.float64]) -> Batch:
    """Each with its opposite number, by `share` (N,)."""
    if not share.any():
        return batch
    weight = share.reshape(-1, *(1,) * (batch.ndim - 1)).astype(np.float32)
    return batch * (1 - weight) + batch[::-1] * weight


def plain_batches(frames: Frames, spec: InputSpec, tensor: Tensor, size: int) -> Iterator[dict[str, Batch]]:
    """The pictures as they are, in order."""
    prepare = Preprocessor(spec, tensor)
    for start in range(0, len(frames), size):
        chosen = range(start, min(start + size, len(frames)))
        yield {tensor.name: np.concatenate([prepare(frames[place]).tensor for place in chosen])}
