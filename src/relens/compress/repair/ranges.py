"""Range search: how much of an activation's range 255 steps should cover.

Cutting off a rare extreme makes every other step finer. Each tensor's range is the one with the least squared error in
what its readers make of it, over sampled values (clipping by mean squared error: Nagel et al., "A White Paper on Neural
Network Quantization", 2021, section 3.1). What readers make of it matters most for SiLU, `x * logistic(x)`: below -8
nothing is left of x, so that steps spent there are lost, and the x in front of a SiLU is often mostly below -8.
Errors count against each channel's own variance: a wide channel must not decide alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from relens.compress.repair.inner import Array, Float64, Inner, activations, readers
from relens.graph import Graph, Op
from relens.quantize import Samples

STEPS = 255
VALUES = 4096  # of each tensor and sample, all channels of as many places
AT_ONCE = 48  # tensors looked at in one pass, for the sake of memory
FACTORS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.42, 0.35, 0.28, 0.22, 0.17, 0.13, 0.1, 0.07)
ROUNDS = 2
FLOOR = 0.01  # of the mean channel's variance: a channel that hardly moves counts as one that moves this much

Error = Callable[[Array], Array]
"""From rounded values (N, C) to the error that arrives, (N, C)."""


@dataclass(frozen=True)
class _Seen:
    """(N, C) values of one tensor at some places, and its extremes over all places and samples."""

    values: Array
    low: float
    high: float


def observed_ranges(graph: Graph, samples: Samples) -> dict[str, tuple[float, float]]:
    """Each activation's extremes, by `tensor_name`: their means over samples, as calibration takes them."""
    found: dict[str, tuple[float, float]] = {}
    for group in _groups(activations(graph)):
        inner = Inner(graph, group)
        edges = [[(float(value.min()), float(value.max())) for value in inner(sample)] for sample in samples]
        means = np.mean(edges, axis=0)
        found |= {graph.tensors[t].tensor_name: (float(a), float(b)) for t, (a, b) in zip(group, means, strict=True)}
    return {name: edges for name, edges in found.items() if any(edges)}


def search_ranges(
    graph: Graph, samples: Samples, progress: Callable[[float], None] | None = None
) -> dict[str, tuple[float, float]]:
    """The best range of each activation, by `tensor_name`; the graph's inputs keep all that samples show.

    Args:
        graph: float.
        samples: representative inputs.
        progress: told the fraction done, 0..1.
    """
    reading = readers(graph)
    given = {tensor.index for tensor in graph.inputs}
    found: dict[str, tuple[float, float]] = {}
    groups = _groups(activations(graph))
    for done, group in enumerate(groups, 1):
        for tensor, seen in _look(graph, samples, group).items():
            edges = (min(seen.low, 0.0), max(seen.high, 0.0))
            if edges[0] < edges[1]:
                chosen = edges if tensor in given else _search(seen, _arriving(graph, tensor, seen.values, reading))
                found[graph.tensors[tensor].tensor_name] = chosen
        if progress is not None:
            progress(done / len(groups))
    return found


def _search(seen: _Seen, error: tuple[Error, Float64]) -> tuple[float, float]:
    """Coordinate descent over shrunken edges."""
    arriving, weight = error
    edges = [min(seen.low, 0.0), max(seen.high, 0.0)]
    full = tuple(edges)
    for _ in range(ROUNDS):
        for side in (0, 1):
            tried = []
            for factor in FACTORS:
                edges[side] = full[side] * factor
                if edges[0] < edges[1]:
                    off = arriving(rounded(seen.values, edges[0], edges[1]))
                    tried.append((float((off**2).mean(axis=0) @ weight), edges[side]))
            # The wider one where two are as good as each other.
            edges[side] = min(tried, key=lambda item: (item[0], -abs(item[1])))[1]
    return edges[0], edges[1]


def rounded(values: Array, low: float, high: float) -> Array:
    """Values as an int8 tensor of this range holds them."""
    step = np.float32((high - low) / STEPS)
    zero = np.rint(-low / step)
    return np.asarray((np.clip(np.rint(values / step) + zero, 0, STEPS) - zero) * step, np.float32)


def _arriving(
    graph: Graph, tensor: int, values: Array, reading: dict[int, list[tuple[int, int]]]
) -> tuple[Error, Float64]:
    """What a rounded tensor does behind its readers, and (C,) what a channel's squared error weighs there."""
    users = [graph.ops[index] for index in dict.fromkeys(op for op, _ in reading.get(tensor, []))]
    names = sorted(op.name for op in users)
    if names == ["LOGISTIC", "MUL"]:
        return _relative(lambda x: x * _logistic(x), values)
    if names == ["MUL", "MUL"]:
        factors = _gate_factors(graph, users, reading)
        if factors is not None:
            return _relative(lambda x: x * _logistic(x * factors), values)
    if names == ["LOGISTIC"]:
        gated = [graph.ops[op].name for op, _ in reading.get(users[0].outputs[0], [])] == ["MUL"]
        if gated:  # x is what the gate is multiplied with
            return lambda x: values * (_logistic(x) - _logistic(values)), _weights(values * _logistic(values))
        return _relative(_logistic, values)
    return _relative(lambda x: x, values)


def _gate_factors(graph: Graph, users: list[Op], reading: dict[int, list[tuple[int, int]]]) -> Array | None:
    """(C,) the constant of the product that stands before a SiLU's gate, see `equalize`."""
    for op in users:
        behind = [graph.ops[reader].name for reader, _ in reading.get(op.outputs[0], [])]
        constants = [graph.tensors[index] for index in op.inputs if graph.tensors[index].constant]
        if behind == ["LOGISTIC"] and len(constants) == 1:
            return np.asarray(graph.constant(constants[0]), np.float32).reshape(-1)
    return None


def _relative(function: Callable[[Array], Array], values: Array) -> tuple[Error, Float64]:
    exact = function(values)
    return (lambda x: function(x) - exact), _weights(exact)


def _weights(exact: Array) -> Float64:
    variance = exact.var(axis=0, dtype=np.float64)
    return np.asarray(1 / np.maximum(variance, max(FLOOR * float(variance.mean()), 1e-12)))


def _logistic(x: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -60, 60))), np.float32)


def _groups(tensors: list[int]) -> list[list[int]]:
    return [tensors[start : start + AT_ONCE] for start in range(0, len(tensors), AT_ONCE)]


def _look(graph: Graph, samples: Samples, group: list[int]) -> dict[int, _Seen]:
    inner = Inner(graph, group)
    kept: list[list[Array]] = [[] for _ in group]
    lows, highs = np.full(len(group), np.inf), np.full(len(group), -np.inf)
    for number, sample in enumerate(samples):
        for place, value in enumerate(inner(sample)):
            lows[place], highs[place] = min(lows[place], value.min()), max(highs[place], value.max())
            kept[place].append(_some(value, number))
    each: Any = zip(group, kept, lows, highs, strict=True)
    return {tensor: _Seen(np.concatenate(rows), float(low), float(high)) for tensor, rows, low, high in each}


def _some(value: Array, number: int) -> Array:
    """(n, C) all channels of as many places as make up `VALUES`, drawn the same whenever asked."""
    channels = value.reshape(-1, value.shape[-1] if value.ndim else 1)
    count = max(1, VALUES // channels.shape[1])
    if count >= len(channels):
        return channels.copy()
    return np.asarray(channels[np.random.default_rng((number, len(channels))).integers(0, len(channels), count)])
