"""The way back: folded normalization, biases that appear, kernels that are shared, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

import relens.lift
from relens.errors import BadModel
from relens.graph import Graph, Op, Tensor, with_signature
from relens.graph.flatbuffer import edited
from relens.lift import Additions, Lifted, lift, lower
from relens.lift.layers import KernelLayer, Normalization, Statistics, numbers, statistics_of

TOLERANCE = 1e-5

Compare = Callable[..., dict[str, float]]
Noise = Callable[..., dict[str, np.ndarray]]
Shake = Callable[[Lifted], None]


def test_the_public_surface_is_exactly_this() -> None:
    expected = ["Additions", "Block", "Kept", "Lifted", "Unliftable", "lift", "listed", "lower"]
    assert expected == sorted(relens.lift.__all__)


def _normalized(op: Op, channels: int) -> Normalization:
    random = np.random.default_rng(channels)
    mean, variance = random.normal(0, 1, channels), random.uniform(0.2, 3, channels)
    return Normalization(mean.astype(np.float32), variance.astype(np.float32))


def without_bias(graph: Graph, *, left_out: bool) -> Graph:
    """Without biases, where the runtime can do without: the operand missing, or said to be."""

    def change(model: object) -> None:
        for op in model.subgraphs[0].operators:  # type: ignore[attr-defined]
            if model.operatorCodes[op.opcodeIndex].builtinCode in BIASED:  # type: ignore[attr-defined]
                position = BIASED[model.operatorCodes[op.opcodeIndex].builtinCode]  # type: ignore[attr-defined]
                op.inputs = [*op.inputs[:position], *([] if left_out else [-1])]

    return edited(graph, change)


BIASED = {
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 2,
    schema.BuiltinOperator.TRANSPOSE_CONV: 3,
    schema.BuiltinOperator.FULLY_CONNECTED: 2,
}


@pytest.mark.parametrize("kind", ["convolution", "depthwise", "transposed", "shared", "pooling", "windows", "blocks"])
def test_normalization_starts_as_nothing_and_folds(
    corpus: Path, apart: Compare, noise: Noise, shaken: Shake, kind: str
) -> None:
    graph = Graph.read(corpus / f"{kind}.tflite")
    lifted = lift(graph, Additions(linear=_normalized))
    normalizations = list(statistics_of(lifted.model))
    assert len({id(block) for block in lifted.blocks.values() if block.normalization}) == len(normalizations) > 0
    start = apart(lifted, noise(graph))
    assert {name: error for name, error in start.items() if error > TOLERANCE} == {}

    shaken(lifted)
    random = np.random.default_rng(4)
    for layer in normalizations:
        layer.mean.assign(numbers(layer.mean) + random.normal(0, 0.5, layer.mean.shape).astype(np.float32))
        layer.variance.assign(numbers(layer.variance) * random.uniform(0.3, 2, layer.mean.shape).astype(np.float32))
    moved = apart(lifted, noise(graph))
    assert max(moved.values()) > 0.01
    lowered = lower(lifted)
    assert [op.name for op in graph.ops] == [op.name for op in lowered.ops]
    folded = apart(lifted, noise(graph), lowered)
    assert {name: error for name, error in folded.items() if error > TOLERANCE} == {}


@pytest.mark.parametrize("kind", ["depthwise", "transposed", "dense"])
@pytest.mark.parametrize("left_out", [True, False], ids=["missing", "said to be missing"])
def test_an_operation_without_bias_gets_one_only_from_normalization(
    corpus: Path, apart: Compare, noise: Noise, shaken: Shake, kind: str, left_out: bool
) -> None:
    graph = without_bias(Graph.read(corpus / f"{kind}.tflite"), left_out=left_out)
    for additions in (Additions(), Additions(linear=_normalized)):
        lifted = lift(graph, additions)
        assert not any(block.layer.bias is not None for block in lifted.blocks.values())
        shaken(lifted)
        lowered = lower(lifted)
        for op, block in lifted.blocks.items():
            had, given = (sum(index >= 0 for index in g.ops[op].inputs) for g in (graph, lowered))
            assert had + (block.normalization is not None) == given
        if kind != "depthwise" or additions.linear is _normalized:  # without bias LiteRT's kernel ends the process
            found = apart(lifted, noise(graph), lowered)
            assert {name: error for name, error in found.items() if error > TOLERANCE} == {}


def test_a_layer_called_twice_stays_one_layer_and_is_stored_once(corpus: Path, shaken: Shake) -> None:
    graph = Graph.read(corpus / "shared.tflite")
    lifted = lift(graph)
    kernels = {op.index: op.inputs[1] for op in graph.ops if op.name in {"CONV_2D", "DEPTHWISE_CONV_2D"}}
    layers = {
        kernel: {id(lifted.blocks[op].layer) for op in kernels if kernels[op] == kernel} for kernel in kernels.values()
    }
    assert len(layers) < len(kernels)
    assert {len(found) for found in layers.values()} == {1}
    shaken(lifted)
    lowered = lower(lifted)
    stored = {lowered.tensors[lowered.ops[op].inputs[1]].buffer for op in kernels}
    assert len(layers) == len(stored)


def test_biases_that_shared_their_zeros_part_ways(corpus: Path, apart: Compare, noise: Noise, shaken: Shake) -> None:
    graph = Graph.read(corpus / "convolution.tflite")
    sizes = [op for op in graph.ops if graph.tensors[op.inputs[2]].shape == (4,)]

    def share(model: object) -> None:
        main = model.subgraphs[0]  # type: ignore[attr-defined]
        first = main.tensors[sizes[0].inputs[2]]
        model.buffers[first.buffer].data = np.zeros(16, np.uint8)  # type: ignore[attr-defined]
        for op in sizes[1:3]:
            main.tensors[op.inputs[2]].buffer = first.buffer
        for op in sizes[3:]:
            main.operators[op.index].inputs = [*op.inputs[:2], sizes[0].inputs[2]]

    alike = edited(graph, share)
    lifted = lift(alike)
    shaken(lifted)
    lowered = lower(lifted)
    biases = [lowered.constant(lowered.tensors[lowered.ops[op.index].inputs[2]]) for op in sizes]
    assert len(sizes) == len({bias.tobytes() for bias in biases}) > 3
    found = apart(lifted, noise(graph), lowered)
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}


class Halved(KernelLayer):
    unit, bias_unit = 4.0, 0.25  # powers of two: counting in them rounds nothing

    def call(self, x: object) -> object:
        return x * 0.5  # type: ignore[operator]


@pytest.mark.parametrize("kind", ["convolution", "depthwise", "transposed", "dense", "shared"])
def test_what_a_kernel_passes_through_is_lowered_with_it(corpus: Path, apart: Compare, noise: Noise, kind: str) -> None:
    graph = Graph.read(corpus / f"{kind}.tflite")
    lifted = lift(graph, Additions(kernel=lambda op: Halved()))
    lowered = lower(lifted)
    for op in lifted.blocks:
        position = lifted.blocks[op].layer.kernel_position
        old, new = (g.constant(g.tensors[g.ops[op].inputs[position]]) for g in (graph, lowered))
        np.testing.assert_array_equal(old * np.float32(0.5), new)
        np.testing.assert_array_equal(numbers(lifted.blocks[op].layer.kernel).max() * 4, old.max())
    found = apart(lifted, noise(graph), lowered)
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}


def test_every_computed_tensor_passes_through_its_addition(corpus: Path) -> None:
    graph = Graph.read(corpus / "pooling.tflite")
    seen: list[int] = []

    def watch(tensor: Tensor) -> keras.layers.Layer:
        seen.append(tensor.index)
        return Halved()

    lifted = lift(graph, Additions(tensor=watch))
    expected = [tensor.index for tensor in graph.inputs] + [index for op in graph.ops for index in op.outputs]
    assert expected == seen
    assert len(seen) == sum(isinstance(layer, Halved) for layer in lifted.model.layers)


def test_statistics_follow_the_batches(noise: Noise, corpus: Path) -> None:
    layer = Statistics(6)
    x = np.random.default_rng(2).normal(1, 3, (3, 9, 7, 6)).astype(np.float32)
    y = layer(x, training=True)
    np.testing.assert_array_equal(x, keras.ops.convert_to_numpy(y))
    np.testing.assert_allclose(x.mean((0, 1, 2)), numbers(layer.mean), rtol=1e-4)
    np.testing.assert_allclose(x.var((0, 1, 2)), numbers(layer.variance), rtol=1e-4)
    layer.share.assign(0.25)
    layer(x + 4, training=True)
    np.testing.assert_allclose(x.mean((0, 1, 2)) + 1, numbers(layer.mean), rtol=1e-4)
    layer(x + 100)
    np.testing.assert_allclose(x.mean((0, 1, 2)) + 1, numbers(layer.mean), rtol=1e-4)


def test_weights_that_are_not_numbers_are_refused(corpus: Path) -> None:
    lifted = lift(Graph.read(corpus / "convolution.tflite"))
    bias = lifted.blocks[2].layer.bias
    bias.assign(numbers(bias) * np.nan)
    with pytest.raises(BadModel, match=r"RL-LIFT-002: the weights of CONV_2D \(op 2\) hold NaN"):
        lower(lifted)


def test_a_graph_without_weights_is_refused(corpus: Path) -> None:
    graph = Graph.read(corpus / "open_sizes.tflite")

    def only_the_last(model: object) -> None:
        main = model.subgraphs[0]  # type: ignore[attr-defined]
        main.operators = []
        main.outputs = list(main.inputs)

    with pytest.raises(BadModel, match=r"RL-LIFT-001.*no weights that can be trained"):
        lift(edited(graph, only_the_last))


def test_an_input_without_a_batch_is_refused(corpus: Path) -> None:
    def unbatch(model: object) -> None:
        main = model.subgraphs[0]  # type: ignore[attr-defined]
        main.tensors[main.inputs[0]].shape = [2, 9, 7, 6]

    with pytest.raises(BadModel, match=r"RL-LIFT-001.*no batch of 1 in front"):
        lift(edited(Graph.read(corpus / "pooling.tflite"), unbatch))


def test_names_may_be_equal_empty_or_full_of_slashes(corpus: Path, apart: Compare, noise: Noise) -> None:
    graph = Graph.read(corpus / "pooling.tflite")
    names = ["x/y:0", *(f"out/{number}" for number in range(1, len(graph.outputs)))]
    signed = with_signature(graph, ["x/y:0"], names)

    def nameless(model: object) -> None:
        for tensor in model.subgraphs[0].tensors:  # type: ignore[attr-defined]
            tensor.name = ""

    lifted = lift(edited(signed, nameless))
    assert names == list(lifted.model.output)
    found = apart(lifted, noise(lifted.graph))
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}
