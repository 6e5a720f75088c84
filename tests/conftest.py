"""Fixtures that many rooms use: the shared data where it stands beside the checkout, and a small project of our own."""

import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real models, pictures and a clip."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared models and pictures are not here: {SHARED}")
    return SHARED


def _imported(source: Path, folder: Path) -> Path:
    from relens.sources import import_model

    target = folder / f"{source.stem}.tflite"
    import_model(source).graph.write(target)
    return target


@pytest.fixture(scope="session")
def flowers_graph(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The flower classifier as a float `.tflite`."""
    return _imported(shared_data / "models/flowers_mobilenet_v1_025_128.h5", tmp_path_factory.mktemp("flowers"))


@pytest.fixture(scope="session")
def yolox_graph(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """YOLOX-nano as a float `.tflite`."""
    return _imported(shared_data / "models/yolox_nano_416.h5", tmp_path_factory.mktemp("yolox"))


@pytest.fixture(scope="session")
def interrupted_graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of drawn shapes with a GATHER_ND and two CUMSUM, one of integers, in its middle, as `.tflite`."""
    folder = tmp_path_factory.mktemp("interrupted")
    _run("interrupted_classifier.py", folder)
    return folder / "interrupted.tflite"


@pytest.fixture(scope="session")
def kept_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of graphs with operations that Keras cannot say between convolutions: `lift/make_kept.py`."""
    if not importlib.util.find_spec("tensorflow"):
        pytest.skip("the real files are made by TensorFlow")
    kept = os.environ.get("RELENS_LIFT_INTERRUPTED")  # saves a while when one works on them
    if kept:
        return Path(kept)
    folder = tmp_path_factory.mktemp("kept")
    _run("lift/make_kept.py", folder)
    return folder


def _run(script: str, folder: Path) -> None:
    """A script that needs TensorFlow, in another process."""
    command = [sys.executable, Path(__file__).parent / script, folder]
    made = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stderr[-2000:]


@dataclass(frozen=True)
class Shapes:
    """A classifier of drawn shapes, trained for the tests, with its pictures; needs nothing from outside.

    graph: the float `.tflite`. project: a `relens.toml` for it.
    """

    folder: Path

    @property
    def model(self) -> Path:
        return self.folder / "shapes.keras"

    @property
    def graph(self) -> Path:
        return self.folder / "shapes.tflite"

    @property
    def labels(self) -> Path:
        return self.folder / "labels.txt"

    @property
    def calibration(self) -> Path:
        return self.folder / "calibration"

    @property
    def train(self) -> Path:
        """240 pictures without labels."""
        return self.folder / "train"

    @property
    def validation(self) -> Path:
        return self.folder / "validation.csv"

    @property
    def project(self) -> Path:
        return self.folder / "relens.toml"


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Shapes:
    """Train the shape classifier once a session, in another process."""
    folder = tmp_path_factory.mktemp("shapes")
    _run("shape_classifier.py", folder)
    found = Shapes(folder)
    _imported(found.model, folder)
    return found
