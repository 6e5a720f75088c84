"""Small networks made once a session, in a process that may import TensorFlow; imported as any model is."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from relens.graph import Graph
from relens.sources import import_model
from relens.vision.frames import Frames, frames_from


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Graph]:
    folder = tmp_path_factory.mktemp("networks")
    command = [sys.executable, str(Path(__file__).with_name("make_models.py")), str(folder)]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    return {file.stem: import_model(file).graph for file in sorted(folder.glob("*.keras"))}


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """Smooth noise: 48 pictures with something to see at every scale."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(3)
    for number in range(48):
        layers = [random.normal(size=(size, size, 3)) for size in (2, 4, 8, 16)]
        whole = sum(cv2.resize(layer, (32, 32), interpolation=cv2.INTER_CUBIC) for layer in layers)
        cv2.imwrite(str(folder / f"{number:02}.png"), np.clip(127 + 50 * whole, 0, 255).astype(np.uint8))
    return frames_from(folder)
