"""Cross-layer equalization: the same function with channels of like size, which one int8 scale can hold.

One activation tensor has one scale, so the widest channel sets the step for all. A factor a channel moves out of a
convolution's weights and into its readers' without changing the function (Nagel et al., "Data-Free Quantization through
Weight Equalization and Bias Correction", ICCV 2019). Which factors: the powers of the observed ranges between which
SmoothQuant (Xiao et al., ICML 2023) interpolates, chosen by the noise that arrives behind the readers. Nagel's proof
asks for f(s x) = s f(x), which ReLU has and SiLU lacks; but SiLU is x times a gate, and only the gate has to see the
old x: one elementwise product by the factors in front of it, and the other branch is free.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from relens.compress.repair.chains import INPUT_AXIS, OUTPUT_AXIS, Chain, chains, channel_shape
from relens.compress.repair.inner import Array, ChannelStatistics, Float64, channel_statistics
from relens.compress.repair.insertion import with_products
from relens.graph import Graph
from relens.graph.edit import Operand, with_operands
from relens.quantize import Samples

POWERS = (0.25, 0.5, 0.75, 1.0)
LEVELS = 127  # of the gate's factors, which the integer file stores as one int8 tensor
STEPS = 255
SIX_WITH_ROOM = 6 / 1.25  # RELU6: channels below this never met the ceiling, and must not after scaling
LEAST_GAIN = 1.1
SMALLEST = 1e-12


@dataclass(frozen=True)
class Equalized:
    """An equalized graph.

    Attributes:
        graph: the same function.
        noise: by the `tensor_name` of a scaled tensor, the share of int8 noise in what its readers compute, before and
            after (variances, 0..1).
        gates: the tensors put in front of LOGISTIC; 8 either way is all they need, see `search_ranges`.
    """

    graph: Graph = field(repr=False)
    noise: Mapping[str, tuple[float, float]]
    gates: tuple[str, ...]


def equalize(graph: Graph, samples: Samples, *, gate_above: float = 0.01) -> Equalized:
    """Scale channels wherever it lowers the noise of int8.

    Args:
        graph: float.
        samples: representative inputs; some ten suffice, since only each channel's size is asked for.
        gate_above: the noise share from which a SiLU is worth the one product more that it costs.
    """
    every = chains(graph)
    seen = {index for chain in every for index in (chain.output, *chain.carried, *_answers(graph, chain))}
    statistics = channel_statistics(graph, samples, sorted(seen))
    constants: dict[Operand, Array] = {}
    gates: dict[int, Array] = {}
    noise: dict[str, tuple[float, float]] = {}
    for chain in every:
        before = noise_share(graph, chain, statistics, np.ones(_width(graph, chain)))
        if chain.gate is not None and before < gate_above:
            continue
        after, factors = _best(graph, chain, statistics, constants)
        if after * LEAST_GAIN >= before:
            continue
        _scale(graph, chain, factors, constants)
        if chain.gate is not None:
            gates[chain.gate] = factors.astype(np.float32)
        noise[graph.tensors[chain.output].tensor_name] = (before, after)
    scaled = with_operands(graph, constants) if constants else graph
    made, names = with_products(scaled, gates)
    return Equalized(made, noise, names)


def noise_share(
    graph: Graph,
    chain: Chain,
    statistics: Mapping[int, ChannelStatistics],
    factors: Float64,
    constants: Mapping[Operand, Array] | None = None,
) -> float:
    """The share of int8 noise in what the chain's readers compute, were its channels divided by `factors` (C,).

    Rounding an activation of step d adds d^2 / 12 to each value, and a weight of step e adds e^2 / 12 to each weight;
    what arrives is held against the variance of each output channel. The mean over channels of the worst reader.
    """
    largest, square = _sizes(chain, statistics)
    step = 2 * float((largest / factors).max()) / STEPS
    shares = []
    for reader in chain.consumers:
        op = graph.ops[reader]
        weights = _constant(graph, (reader, 1), constants or {})
        axis = INPUT_AXIS[op.name]
        scaled = weights * factors.reshape(channel_shape(weights, axis))
        out = OUTPUT_AXIS.get(op.name, 0)
        others = tuple(place for place in range(weights.ndim) if place != out)
        rounding = np.abs(scaled).max(axis=others, keepdims=True) * 2 / STEPS
        inputs = (square / factors**2).reshape(channel_shape(weights, axis))
        arriving = step**2 * (scaled**2).sum(axis=others) + (rounding**2 * inputs * np.ones_like(scaled)).sum(
            axis=others
        )
        variance = np.maximum(statistics[op.outputs[0]].variance, SMALLEST)
        shares.append(float(np.minimum(arriving / 12 / variance, 1).mean()))
    return max(shares)


def _best(
    graph: Graph, chain: Chain, statistics: Mapping[int, ChannelStatistics], constants: Mapping[Operand, Array]
) -> tuple[float, Float64]:
    largest, _ = _sizes(chain, statistics)
    relative = np.maximum(largest / max(float(largest.max()), SMALLEST), 1 / LEVELS)
    tried = []
    for power in POWERS:
        factors = relative**power
        if chain.gate is not None:
            factors = np.maximum(np.rint(factors * LEVELS), 1) / LEVELS
        if chain.ceiling:
            peak = statistics[chain.output].peak
            free = peak < SIX_WITH_ROOM
            factors = np.where(free, np.minimum(np.maximum(factors, peak / SIX_WITH_ROOM), 1), 1.0)
        tried.append((noise_share(graph, chain, statistics, factors, constants), factors))
    return min(tried, key=lambda item: item[0])


def _scale(graph: Graph, chain: Chain, factors: Float64, constants: dict[Operand, Array]) -> None:
    op = graph.ops[chain.producer]
    weights = _constant(graph, (op.index, 1), constants)
    shape = channel_shape(weights, OUTPUT_AXIS[op.name])
    constants[op.index, 1] = (weights / factors.reshape(shape)).astype(np.float32)
    if len(op.inputs) > 2 and op.inputs[2] >= 0:
        constants[op.index, 2] = (_constant(graph, (op.index, 2), constants) / factors).astype(np.float32)
    for reader in chain.consumers:
        weights = _constant(graph, (reader, 1), constants)
        shape = channel_shape(weights, INPUT_AXIS[graph.ops[reader].name])
        constants[reader, 1] = (weights * factors.reshape(shape)).astype(np.float32)


def _constant(graph: Graph, operand: Operand, constants: Mapping[Operand, Array]) -> Float64:
    op, position = operand
    value = (
        constants[operand] if operand in constants else graph.constant(graph.tensors[graph.ops[op].inputs[position]])
    )
    return value.astype(np.float64)


def _sizes(chain: Chain, statistics: Mapping[int, ChannelStatistics]) -> tuple[Float64, Float64]:
    """(C,) the largest value and (C,) the mean square of each channel, as the readers see it."""
    seen = [statistics[index] for index in chain.carried]
    largest = np.max([each.largest for each in seen], axis=0)
    return largest, np.max([each.variance + each.mean**2 for each in seen], axis=0)


def _answers(graph: Graph, chain: Chain) -> list[int]:
    return [graph.ops[reader].outputs[0] for reader in chain.consumers]


def _width(graph: Graph, chain: Chain) -> int:
    return graph.tensors[chain.output].shape[-1]
