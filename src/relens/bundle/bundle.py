"""A bundle: one deterministic zip that carries a model, what it needs, and proof of what it does."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relens.bundle.manifest import Manifest
from relens.vision import Frame, Outputs

KEPT = 8192
"""How many values of an output a golden frame keeps at most."""


@dataclass(frozen=True)
class GoldenFrame:
    """A real frame and what the model must say to it.

    frame: (H, W, 3) uint8 BGR. expected: per output name, float32 values at `positions` of the flattened output.
    """

    name: str
    frame: Frame
    expected: dict[str, NDArray[np.float32]]


def positions(size: int, most: int = KEPT) -> NDArray[np.int64]:
    """Which elements of a flattened output of `size` a golden frame keeps: all, or `most` evenly spread."""
    return np.linspace(0, size - 1, min(size, most)).round().astype(np.int64)


def sampled(outputs: Outputs) -> dict[str, NDArray[np.float32]]:
    """The values a golden frame keeps, per output."""
    return {name: value.reshape(-1)[positions(value.size)] for name, value in outputs.items()}


@dataclass(frozen=True)
class Bundle:
    """An opened, checked bundle. `model` is its `.tflite` as a file on disk."""

    path: Path
    sha256: str
    manifest: Manifest
    model: Path
    labels: tuple[str, ...]
    golden: tuple[GoldenFrame, ...]
