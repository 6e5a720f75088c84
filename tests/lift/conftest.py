import os
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from relens.graph import Graph
from relens.graph.edit import inner_names, with_outputs
from relens.lift import Lifted
from relens.lift.layers import numbers

PICTURES = 3
Values = dict[str, np.ndarray]
Compare = Callable[..., dict[str, float]]


@pytest.fixture(scope="session")
def corpus(making: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small real graphs, made by TensorFlow in another process: `make_corpus.py`."""
    kept = os.environ.get("RELENS_LIFT_CORPUS")  # saves half a minute while one works on the rules
    return Path(kept) if kept else making("lift/make_corpus.py", tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def noise() -> Callable[..., Values]:
    """Different random pictures for each input of a graph."""

    def make(graph: Graph, low: float = -1.0, high: float = 1.0, seed: int = 5) -> Values:
        random = np.random.default_rng(seed)
        return {
            tensor.name: random.uniform(low, high, (PICTURES, *tensor.shape[1:])).astype(tensor.dtype)
            for tensor in graph.inputs
        }

    return make


@pytest.fixture(scope="session")
def apart(answers: Callable[[Graph, Values], Values]) -> Compare:
    """How far the model's outputs on three pictures are from the runtime's, in parts of each output's scale.

    What kept operations give is taken from the runtime; what they read is compared like any output. `graph` is what
    the runtime runs, if not what was lifted.
    """

    def compare(lifted: Lifted, inputs: Values, graph: Graph | None = None) -> dict[str, float]:
        graph = graph or lifted.graph
        model, outputs = lifted.model, {tensor.name for tensor in graph.outputs}
        place = {name: index for index, name in enumerate(inner_names(graph))}
        inside = [name for name in (*entries(model), *model.output) if name not in {*inputs, *outputs}]
        expected = answers(with_outputs(graph, [place[name] for name in inside]), inputs)
        found = model(
            {name: inputs[name] if name in inputs else expected[name] for name in entries(model)}, training=False
        )
        return {name: difference(expected[name], keras.ops.convert_to_numpy(found[name])) for name in found}

    return compare


def entries(model: keras.Model) -> list[str]:
    """The names under which a model takes its inputs."""
    return list(model._inputs_struct)


def difference(expected: np.ndarray, actual: np.ndarray) -> float:
    """The largest, in parts of the largest number; whole numbers and truths agree or do not."""
    assert expected.shape == actual.shape, f"{expected.shape} became {actual.shape}"
    if expected.dtype.kind != "f":
        return float(np.mean(expected != actual))
    assert np.isfinite(expected).all()
    return float(np.abs(expected - actual).max() / max(np.abs(expected).max(), 1e-6))


@pytest.fixture(scope="session")
def shaken() -> Callable[..., None]:
    """Move every trained number a little."""

    def shake(lifted: Lifted, share: float = 0.1) -> None:
        random = np.random.default_rng(9)
        for variable in lifted.model.trainable_variables:
            old = numbers(variable)
            spread = share * (np.abs(old).mean() + 0.01)
            variable.assign(old + random.normal(0, spread, old.shape).astype(np.float32))

    return shake
