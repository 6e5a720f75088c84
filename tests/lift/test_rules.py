"""Every rule, on graphs that TensorFlow wrote, against the runtime picture by picture."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from relens.graph import Graph
from relens.graph.edit import compacted, with_inferred_shapes, with_operands
from relens.graph.flatbuffer import edited
from relens.lift import Lifted, lift, listed, lower
from relens.lift.layers import numbers
from relens.lift.ops import RULES

KINDS = (
    *("convolution", "depthwise", "transposed", "dense", "slopes", "shared", "smooth", "stepped", "broadcasting"),
    *("product", "pooling", "reduction", "resizing", "moved", "strided", "windows", "blocks", "choice", "half"),
    *("zero_to_one", "open_batch", "open_sizes"),
)
TOLERANCE = 1e-5

Compare = Callable[..., dict[str, float]]
Noise = Callable[..., dict[str, np.ndarray]]


def test_the_corpus_exercises_every_rule(corpus: Path) -> None:
    graphs = {path.stem: Graph.read(path) for path in corpus.glob("*.tflite")}
    assert set(KINDS) == set(graphs)
    found = {op.name for graph in graphs.values() for op in graph.ops}
    assert set(RULES) - found == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_lifted_graph_answers_like_the_runtime(corpus: Path, apart: Compare, noise: Noise, kind: str) -> None:
    graph = Graph.read(corpus / f"{kind}.tflite")
    lifted = lift(graph)
    assert listed(lifted.kept) == "none"
    found = apart(lifted, noise(graph))
    assert {tensor.name for tensor in graph.outputs} == set(found)
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}


def _said(graph: Graph) -> list[str]:
    """The operations with their options; weights come back as float32, so that there is nothing to widen."""
    return [f"{op.name} {vars(op.options) if op.options else ''}" for op in graph.ops if op.name != "DEQUANTIZE"]


@pytest.mark.parametrize("kind", KINDS)
def test_changed_weights_come_back_op_for_op(
    corpus: Path, apart: Compare, noise: Noise, shaken: Callable[[Lifted], None], kind: str
) -> None:
    graph = Graph.read(corpus / f"{kind}.tflite")
    lifted = lift(graph)
    shaken(lifted)
    lowered = lower(lifted)
    assert _said(graph) == _said(lowered)
    found = apart(lifted, noise(graph), lowered)
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_that_an_output_needs_learns(corpus: Path, noise: Noise, kind: str) -> None:
    graph = Graph.read(corpus / f"{kind}.tflite")
    model = lift(graph).model
    smooth = {name: value for name, value in model.output.items() if keras.backend.is_float_dtype(value.dtype)}
    student = keras.Model(model._inputs_struct, smooth)
    student.compile(keras.optimizers.SGD(1e-3), loss="mse", run_eagerly=keras.backend.backend() != "jax")
    before = list(map(numbers, student.trainable_variables))
    inputs = noise(graph)
    student.train_on_batch(
        inputs, {name: np.ones_like(value) for name, value in student.predict_on_batch(inputs).items()}
    )
    after = list(map(numbers, student.trainable_variables))
    for variable, old, new in zip(student.trainable_variables, before, after, strict=True):
        assert np.isfinite(new).all(), variable.path
        assert not np.array_equal(old, new), variable.path


def _with_options(graph: Graph, op: int, **options: int) -> Graph:
    def change(model: object) -> None:
        vars(model.subgraphs[0].operators[op].builtinOptions).update(options)  # type: ignore[attr-defined]

    return with_inferred_shapes(edited(graph, change))


@pytest.mark.parametrize(
    ("kind", "strides", "dilation"),
    [
        ("convolution", (2, 2), (2, 2)),
        ("convolution", (1, 2), (3, 1)),
        ("depthwise", (1, 2), (1, 1)),
        ("depthwise", (2, 2), (2, 2)),
    ],
)
def test_strides_that_tensorflow_itself_refuses_are_kept(
    corpus: Path, apart: Compare, noise: Noise, kind: str, strides: tuple[int, int], dilation: tuple[int, int]
) -> None:
    graph = Graph.read(corpus / f"{kind}.tflite")
    sizes = dict(zip(("strideH", "strideW", "dilationHFactor", "dilationWFactor"), strides + dilation, strict=True))
    odd = _with_options(graph, 0, **sizes)
    lifted = lift(odd)
    found = apart(lifted, noise(odd))
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}
    assert [kept.reason for kept in lifted.kept] == ([f"its strides are {strides}, and its dilation {dilation}"])


def _resized(graph: Graph, name: str, size: tuple[int, int], align: bool, half: bool) -> Graph:
    op = next(op for op in graph.ops if op.name == name)

    def only(model: object) -> None:
        main = model.subgraphs[0]  # type: ignore[attr-defined]
        main.outputs = list(main.operators[op.index].outputs)
        options = main.operators[op.index].builtinOptions
        options.alignCorners, options.halfPixelCenters = align, half

    return with_operands(compacted(edited(graph, only)), {(1, 1): np.array(size, np.int32)})


@pytest.mark.parametrize("name", ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"])
@pytest.mark.parametrize(("align", "half"), [(False, False), (True, False), (False, True)])
def test_pictures_of_any_size_are_resized_alike(
    corpus: Path, apart: Compare, noise: Noise, name: str, align: bool, half: bool
) -> None:
    graph = Graph.read(corpus / "resizing.tflite")
    for rows, columns in [(n, 3 * n + 1) for n in range(1, 40, 2)] + [(63, 49), (45, 42), (100, 6)]:
        resized = _resized(graph, name, (rows, columns), align, half)
        assert resized.outputs[0].shape[1:3] == (rows, columns)
        found = apart(lift(resized), noise(resized))
        assert max(found.values()) <= TOLERANCE, (rows, columns)
