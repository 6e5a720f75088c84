"""Whole architectures, imported as a user imports them, lifted, changed and lowered."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from relens.graph import Graph, Tensor
from relens.lift import Lifted, layers, lift, lifted, listed, lower
from relens.sources import import_model

TOLERANCE = 1e-5
SECONDS = 20
FAST = ("small", "ssd", "yolo")
BIG = (
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0", "ResNet50"),
    *("DenseNet121", "NASNetMobile", "ConvNeXtTiny"),
)
WITH_SCALING = ("MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0", "ConvNeXtTiny", "ssd", "yolo")

Values = dict[str, np.ndarray]


@pytest.fixture(scope="session")
def architecture(making: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Graph]:
    """An architecture's float graph, by name; RELENS_LIFT_ARCHITECTURES keeps them from one run to the next."""
    kept = os.environ.get("RELENS_LIFT_ARCHITECTURES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("architectures")

    def read(name: str) -> Graph:
        target = folder / f"{name}.tflite"
        if not target.exists():
            others = FAST if name in FAST else (name,)
            making("lift/make_architectures.py", folder, *others)
            for other in others:
                import_model(folder / f"{other}.keras").graph.write(folder / f"{other}.tflite")
        return Graph.read(target)

    return read


@contextmanager
def double_precision() -> Iterator[None]:
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    lifted._KINDS["float64"] = "f"
    try:
        yield
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
        del lifted._KINDS["float64"]


class Wide:
    """A graph that says its floating-point numbers are 64 bits wide."""

    def __init__(self, graph: Graph) -> None:
        self.graph, self.ops, self.sha256 = graph, graph.ops, graph.sha256
        self.inputs, self.outputs, self.tensors = (
            tuple(replace(tensor, dtype=tensor.dtype.replace("float32", "float64")) for tensor in tensors)
            for tensors in (graph.inputs, graph.outputs, graph.tensors)
        )

    def constant(self, tensor: Tensor) -> np.ndarray:
        value = self.graph.constant(self.graph.tensors[tensor.index])
        return value.astype(np.float64) if value.dtype == np.float32 else value


@pytest.fixture
def referee(monkeypatch: pytest.MonkeyPatch) -> Callable[[Graph, Values], Values]:
    """The lifted graph's outputs, computed in float64."""

    def weight(self: Any, name: str, value: np.ndarray) -> Any:
        return self.add_weight(
            shape=value.shape, name=name, initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(value)
        )

    def run(graph: Graph, inputs: Values) -> Values:
        monkeypatch.setattr(layers.Weighted, "_weight", weight)
        with double_precision():
            model = lift(Wide(graph)).model  # type: ignore[arg-type]
            found = model({name: value.astype(np.float64) for name, value in inputs.items()}, training=False)
        monkeypatch.undo()
        return {name: keras.ops.convert_to_numpy(value) for name, value in found.items()}

    return run


@pytest.fixture
def judged(
    answers: Callable[[Graph, Values], Values], referee: Callable[[Graph, Values], Values]
) -> Callable[[Lifted, Values, Graph], str]:
    """Judge a model by the runtime; where they differ, float64 has to be nearer to the model or as near."""

    def judge(mine: Lifted, inputs: Values, graph: Graph) -> str:
        expected = answers(graph, inputs)
        found = {name: keras.ops.convert_to_numpy(value) for name, value in mine.model(inputs, training=False).items()}
        assert set(expected) == set(found)
        scale = {name: np.abs(value).max() for name, value in expected.items()}
        apart = {name: np.abs(found[name] - expected[name]).max() / scale[name] for name in expected}
        if max(apart.values()) <= TOLERANCE:
            return f"{max(apart.values()):.1e}"
        exact = referee(graph, inputs)
        model, runtime = (
            max(np.abs(side[name] - exact[name]).max() / scale[name] for name in exact) for side in (found, expected)
        )
        report = f"{max(apart.values()):.1e} (from float64: model {model:.1e}, runtime {runtime:.1e})"
        assert model <= max(TOLERANCE, 1.5 * runtime), report
        return report

    return judge


@pytest.mark.parametrize("name", [*FAST, *(pytest.param(name, marks=pytest.mark.system) for name in BIG)])
def test_an_architecture_lifts_and_comes_back_op_for_op(
    architecture: Callable[[str], Graph], judged: Any, noise: Any, shaken: Any, name: str
) -> None:
    graph = architecture(name)
    start = time.process_time()  # of this process: others load the machine
    mine = lift(graph)
    seconds = time.process_time() - start
    inputs = noise(graph, *((0, 255) if name in WITH_SCALING else (-1, 1)))
    assert listed(mine.kept) == "none"
    report = [judged(mine, inputs, graph), judged(mine, inputs, lower(mine))]
    shaken(mine, 0.01)
    lowered = lower(mine)
    assert [op.name for op in graph.ops] == [op.name for op in lowered.ops]
    report.append(judged(mine, inputs, lowered))
    assert abs(lowered.size_bytes - graph.size_bytes) < 0.02 * graph.size_bytes
    assert seconds < SECONDS
    print(f"{name}: {len(graph.ops)} ops, lifted in {seconds:.1f} s, apart {'; '.join(report)}")  # noqa: T201


@pytest.mark.system
def test_a_detector_with_trained_weights_differs_by_rounding_only(
    yolox_graph: Path, shared_data: Path, judged: Any
) -> None:
    cv2 = pytest.importorskip("cv2")
    graph = Graph.read(yolox_graph)
    pictures = sorted(shared_data.glob("coco_cc_subset/**/*.jpg"))[:3]
    batch = np.stack([cv2.resize(cv2.imread(str(path)), (416, 416)) for path in pictures]).astype(np.float32)
    mine = lift(graph)
    print(f"yolox: apart {judged(mine, {graph.inputs[0].name: batch}, lower(mine))}")  # noqa: T201


def test_the_referee_counts_in_double_precision(corpus: Path, referee: Any, noise: Any, answers: Any) -> None:
    graph = Graph.read(corpus / "convolution.tflite")
    exact, near = referee(graph, noise(graph)), answers(graph, noise(graph))
    assert {"float64"} == {value.dtype.name for value in exact.values()}
    assert all(np.allclose(exact[name], near[name], atol=1e-5) for name in exact)
