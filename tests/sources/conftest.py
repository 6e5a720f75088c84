"""Models made once a session, in a process that may import TensorFlow."""

import subprocess
import sys
from pathlib import Path

import pytest

FLOWERS = "models/flowers_mobilenet_v1_025_128.h5"


def _make(folder: Path, *arguments: str) -> Path:
    script = Path(__file__).with_name("make_models.py")
    command = [sys.executable, str(script), str(folder), *arguments]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small models, and the frozen flower classifier where the shared data is."""
    shared = Path(__file__).parents[3] / "shared" / "data" / FLOWERS
    return _make(tmp_path_factory.mktemp("models"), *([str(shared)] if shared.exists() else []))
