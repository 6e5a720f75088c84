"""Golden frames: real pictures, and what the chosen model says to them on the kernels its accuracy comes from."""

import cv2
import numpy as np

from relens.bundle import GoldenFrame, Tolerance, sampled
from relens.spec import Scheme
from relens.vision import Frame, Frames, VisionModel

COUNT = 4
LONGEST_SIDE = 1280

# Root mean square of the difference over that of the expected values. Float kernels of other processors differ by
# some 1e-6, float16 arithmetic by 1e-3; integers differ by single steps, some 1e-2, and saturation, the fault that
# acceptance must catch, gives 0.14 and more (17 dB).
TOLERANCE: dict[Scheme, float] = {"float32": 1e-3, "float16": 1e-2, "dynamic": 5e-2, "int8": 5e-2}


def golden_frames(model: VisionModel, frames: Frames) -> tuple[GoldenFrame, ...]:
    """Record `COUNT` frames, evenly spread."""
    chosen = (_shrunk(frame) for frame in frames.spread(COUNT))
    return tuple(
        GoldenFrame(f"{number:03d}", frame, sampled(model.infer(model.prepare(frame))))
        for number, frame in enumerate(chosen)
    )


def _shrunk(frame: Frame) -> Frame:
    """A bundle need not carry a photograph of 48 megapixels: at most `LONGEST_SIDE` pixels along a side."""
    ratio = LONGEST_SIDE / max(frame.shape[:2])
    if ratio >= 1:
        return frame
    size = (max(1, round(frame.shape[1] * ratio)), max(1, round(frame.shape[0] * ratio)))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def tolerance(scheme: Scheme) -> Tolerance:
    """How far another processor may lie from the golden outputs."""
    return Tolerance(relative_rms=TOLERANCE[scheme])


def synthetic_frames(size: tuple[int, int]) -> Frames:
    """Smooth seeded pictures, for a bundle that is packaged without any real ones."""
    random = np.random.default_rng(0)
    pictures = tuple(
        cv2.resize(
            random.integers(0, 256, (6, 8, 3), np.uint8),
            (size[1] * 2, size[0] * 2),
            interpolation=cv2.INTER_CUBIC,
        )
        for _ in range(COUNT)
    )
    return Frames(tuple(f"synthetic-{number}" for number in range(COUNT)), pictures=pictures)
