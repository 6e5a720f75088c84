"""Bias correction: what rounding adds to each channel's mean is taken off its bias again.

The rounded weights of a channel do not sum to what they summed to before, and most activations are not zero in the
mean: int8 shifts each channel by a constant, which the bias absorbs at no cost (Nagel et al., "Data-Free Quantization
through Weight Equalization and Bias Correction", ICCV 2019, section 4.2; the empirical form of appendix D). Layer by
layer in order of execution: a layer's shift is measured with all layers before it already corrected. Shifts are those
before the activation function, where a bias stands.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.compress.repair.chains import NONE
from relens.compress.repair.inner import Array, Float64, Inner
from relens.graph import Graph, Op, Tensor
from relens.graph.edit import compacted, with_operands
from relens.graph.flatbuffer import append_buffer, edited
from relens.quantize import Samples
from relens.quantize.choices import BITS_OF_OPERATION


@dataclass(frozen=True)
class Corrected:
    """A float graph whose int8 form has the float graph's means.

    Attributes:
        graph: with other biases; not the same function in float.
        shifts: by the `tensor_name` of each corrected output, the largest shift of a channel, in its units.
    """

    graph: Graph = field(repr=False)
    shifts: Mapping[str, float]


def correct_biases(
    graph: Graph, integer: Graph, samples: Samples, progress: Callable[[float], None] | None = None
) -> Corrected:
    """Measure the mean shifts of an integer graph, and put what undoes them into the float graph's biases.

    Args:
        graph: float.
        integer: the candidate of `quantize(graph, "int8", ...)`. Quantize the corrected graph with the same ranges and
            choices; calibrating it anew would measure the ranges of shifted channels.
        samples: representative inputs; the mean needs few.
        progress: told the fraction done, 0..1.
    """
    pairs = [
        (source, made)
        for source, made in zip(_weighted(graph), _weighted(integer), strict=True)
        if _corrigible(graph, source, integer, made)
    ]
    # What a range cuts off is its own decision; a bias that made up for it would shift all other places instead.
    limits = [_limits(integer.tensors[made.inputs[0]]) for _, made in pairs]
    before = _mean_inputs(graph, [source.inputs[0] for source, _ in pairs], samples, limits)
    stored: dict[int, Float64] = {}
    added: dict[tuple[int, int], Array] = {}
    shifts: dict[str, float] = {}
    for done, ((source, made), mean) in enumerate(zip(pairs, before, strict=True), 1):
        weights, bias = (integer.tensors[index] for index in made.inputs[1:3])
        steps = np.asarray(bias.scales, np.float64)
        alone = _Alone(graph, source)
        expected = alone.mean(graph.constant(graph.tensors[source.inputs[1]]), mean)
        rounded = alone.mean(_real_weights(integer, weights), _mean_input(integer, made, stored, samples))
        was, value = integer.constant(bias), graph.constant(graph.tensors[source.inputs[2]])
        shift = rounded - expected + was * steps - value
        stored[made.index] = np.rint(was - shift / steps)
        added[source.index, 2] = (value - shift).astype(np.float32)
        shifts[graph.tensors[source.outputs[0]].tensor_name] = float(np.abs(shift).max())
        if progress is not None:
            progress(done / len(pairs))
    return Corrected(with_operands(graph, added) if added else graph, shifts)


class _Alone:
    """One operation of the float graph by itself, with other weights, without bias and activation.

    It is linear then, so that its answer to the mean of its inputs is the mean of its answers: one run a layer. And
    nothing is rounded behind it, which on channels that hardly move would be a shift of its own.
    """

    def __init__(self, graph: Graph, op: Op) -> None:
        def change(model: Any) -> None:
            main = model.subgraphs[0]
            kept = [*op.inputs[:3], op.outputs[0]]
            main.tensors = [main.tensors[index] for index in kept]
            main.operators = [main.operators[op.index]]
            main.operators[0].inputs, main.operators[0].outputs = [0, 1, 2], [3]
            main.operators[0].builtinOptions.fusedActivationFunction = NONE
            main.inputs, main.outputs, model.signatureDefs, model.metadata = [0], [3], [], []

        self._graph = edited(graph, change)
        self._bias = np.zeros(graph.tensors[op.inputs[2]].shape, np.float32)

    def mean(self, weights: NDArray[Any], value: Array) -> Float64:
        """(C,) the mean over places of the answer to `value`."""
        made = with_operands(self._graph, {(0, 1): weights.astype(np.float32), (0, 2): self._bias})
        answer = Inner(made, [made.outputs[0].index])({made.inputs[0].name: value})[0]
        return np.asarray(answer.reshape(-1, answer.shape[-1]).mean(axis=0, dtype=np.float64))


def _weighted(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if op.name in BITS_OF_OPERATION]


def _corrigible(graph: Graph, source: Op, integer: Graph, made: Op) -> bool:
    if source.name == "TRANSPOSE_CONV" or len(made.inputs) < 3 or min(made.inputs[2], source.inputs[2]) < 0:
        return False
    bias = integer.tensors[made.inputs[2]]
    return bias.constant and bias.dtype == "int32" and graph.tensors[source.inputs[2]].constant


def _real_weights(integer: Graph, weights: Tensor) -> Array:
    scales = np.asarray(weights.scales, np.float32)
    if scales.size > 1:
        scales = scales.reshape(
            [-1 if axis == weights.quantized_dimension else 1 for axis in range(len(weights.shape))]
        )
    return np.asarray(integer.constant(weights).astype(np.float32) * scales)


def _limits(tensor: Tensor) -> tuple[float, float]:
    """The smallest and the largest number that a tensor can hold."""
    if not tensor.scales:
        return -np.inf, np.inf
    stored = np.iinfo(tensor.dtype)
    low, high = ((edge - tensor.zero_point) * tensor.scales[0] for edge in (stored.min, stored.max))
    return low, high


def _mean_inputs(
    graph: Graph, tensors: Sequence[int], samples: Samples, limits: Sequence[tuple[float, float]]
) -> list[Array]:
    """The mean over samples of some activations within limits, each in its shape."""
    inner = Inner(graph, tensors)
    sums: list[Array] = []
    for sample in samples:
        values = [np.clip(value, *edges) for value, edges in zip(inner(sample), limits, strict=True)]
        sums = [a + b for a, b in zip(sums, values, strict=True)] if sums else values
    return [np.asarray(value / np.float32(len(samples)), np.float32) for value in sums]


def _mean_input(integer: Graph, op: Op, stored: Mapping[int, Float64], samples: Samples) -> Array:
    """The mean over samples of what one operation reads, with the biases corrected so far."""

    def change(model: Any) -> None:
        main = model.subgraphs[0]
        for index, value in stored.items():
            _give_bias(model, main, index, value)
        main.operators = main.operators[: op.index]
        main.outputs, model.signatureDefs = [op.inputs[0]], []

    if op.inputs[0] in {tensor.index for tensor in integer.inputs}:
        return _mean_inputs(integer, [op.inputs[0]], samples, [(-np.inf, np.inf)])[0]
    cut = compacted(edited(integer, change))
    inner = Inner(cut, [cut.outputs[0].index])
    # The cut graph has no signature; inputs keep their order in the file.
    names = [(new.name, old.name) for new, old in zip(_in_order(cut), _in_order(integer), strict=True)]
    values = (inner({new: sample[old] for new, old in names})[0] for sample in samples)
    return np.asarray(sum(values) / np.float32(len(samples)), np.float32)


def _in_order(graph: Graph) -> list[Tensor]:
    return sorted(graph.inputs, key=lambda tensor: tensor.index)


def _give_bias(model: Any, main: Any, op: int, value: Float64) -> None:
    limits = np.iinfo(np.int32)
    inputs = list(main.operators[op].inputs)
    table = copy.copy(main.tensors[inputs[2]])
    table.buffer = append_buffer(model, np.clip(value, limits.min, limits.max).astype(np.int32).tobytes())
    main.tensors.append(table)
    inputs[2] = len(main.tensors) - 1
    main.operators[op].inputs = inputs
