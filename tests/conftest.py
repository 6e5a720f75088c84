"""Fixtures that many rooms use: the shared data where it stands beside the checkout, and a small project of our own."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from relens.graph import Graph

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
    _made("interrupted_classifier.py", folder)
    return folder / "interrupted.tflite"


@pytest.fixture(scope="session")
def kept_graphs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of graphs with operations that Keras cannot say between convolutions: `lift/make_kept.py`."""
    kept = os.environ.get("RELENS_LIFT_INTERRUPTED")  # saves a while when one works on them
    return Path(kept) if kept else _made("lift/make_kept.py", tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="session")
def making() -> Callable[..., Path]:
    """Run one of the scripts here that need TensorFlow, in another process: its name, the folder, more arguments."""
    return _made


def _made(script: str, folder: Path, *arguments: str) -> Path:
    if not importlib.util.find_spec("tensorflow"):
        pytest.skip("the real files are made by TensorFlow")
    command = [sys.executable, Path(__file__).parent / script, folder, *arguments]
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    made = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert made.returncode == 0, made.stderr[-2000:]
    return folder


Values = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def answers() -> "Callable[[Graph, Values], Values]":
    """LiteRT's outputs for some pictures, one picture after the other, along the first axis."""
    from ai_edge_litert.interpreter import Interpreter

    def run(graph: "Graph", inputs: Values) -> Values:
        runtime = Interpreter(model_content=graph.content, num_threads=1)
        runtime.allocate_tensors()
        rows = []
        for number in range(len(next(iter(inputs.values())))):
            for tensor in graph.inputs:
                runtime.set_tensor(tensor.index, inputs[tensor.name][number : number + 1])
            runtime.invoke()
            rows.append({tensor.name: np.array(runtime.get_tensor(tensor.index)) for tensor in graph.outputs})
        return {name: np.concatenate([np.atleast_1d(row[name]) for row in rows]) for name in rows[0]}

    return run


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
    _made("shape_classifier.py", folder)
    found = Shapes(folder)
    _imported(found.model, folder)
    return found
