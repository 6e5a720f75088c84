"""Where a channel's scale can move: out of one convolution's weights, through its activation, into the next one's."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from relens.compress.repair.inner import readers
from relens.graph import Graph, Op

# They treat every channel alike and by itself, so that a factor on a channel passes.
CARRIERS = ("PAD", "MAX_POOL_2D", "AVERAGE_POOL_2D", "RESIZE_NEAREST_NEIGHBOR", "RESIZE_BILINEAR", "RELU")
PRODUCERS = ("CONV_2D", "DEPTHWISE_CONV_2D")
NONE, RELU, RELU6 = 0, 1, 3  # ActivationFunctionType
OUTPUT_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}
INPUT_AXIS = {"CONV_2D": 3, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 1}


@dataclass(frozen=True)
class Chain:
    """One convolution and all that reads its channels.

    Attributes:
        producer: operation whose output channels may be divided by factors.
        gate: LOGISTIC of a SiLU `x * logistic(x)`: it must see the undivided x; None for a plain or ReLU activation.
        consumers: convolutions and dense layers whose input channels are multiplied in turn.
        output: the tensor that the producer writes.
        carried: the tensors that the consumers read.
        ceiling: the producer's activation stops at 6 (RELU6): factors are free below it only.
    """

    producer: int
    gate: int | None
    consumers: tuple[int, ...]
    output: int
    carried: tuple[int, ...]
    ceiling: bool


def chains(graph: Graph) -> list[Chain]:
    """Every chain of a graph, in order of execution."""
    reading = readers(graph)
    kept = {tensor.index for tensor in graph.outputs}
    found = (_chain(graph, op, reading, kept) for op in graph.ops if op.name in PRODUCERS)
    return [chain for chain in found if chain is not None]


def _chain(graph: Graph, op: Op, reading: dict[int, list[tuple[int, int]]], kept: set[int]) -> Chain | None:
    fused = _fused(op)
    if not _weighted(graph, op) or fused not in (NONE, RELU, RELU6) or op.outputs[0] in kept:
        return None
    width = graph.tensors[op.outputs[0]].shape[-1]
    if graph.tensors[op.inputs[1]].shape[OUTPUT_AXIS[op.name]] != width:
        return None
    start, gate = op.outputs[0], None
    silu = _silu(graph, start, reading) if fused == NONE else None
    if silu is not None:
        gate, start = silu
    ends = _ends(graph, start, reading, kept, width)
    if not ends:
        return None
    consumers, carried = zip(*ends, strict=True)
    return Chain(op.index, gate, consumers, op.outputs[0], tuple(dict.fromkeys(carried)), fused == RELU6)


def _silu(graph: Graph, tensor: int, reading: dict[int, list[tuple[int, int]]]) -> tuple[int, int] | None:
    """The LOGISTIC and the product of `x * logistic(x)`, if that is all that reads x."""
    users = {op for op, _ in reading.get(tensor, [])}
    gates = [op for op in users if graph.ops[op].name == "LOGISTIC"]
    products = [op for op in users if graph.ops[op].name == "MUL"]
    if len(users) != 2 or len(gates) != 1 or len(products) != 1:
        return None
    opened, product = graph.ops[gates[0]].outputs[0], graph.ops[products[0]]
    alone = [op for op, _ in reading.get(opened, [])] == [product.index]
    if not alone or {*product.inputs} != {tensor, opened} or _fused(product) != NONE:
        return None
    return gates[0], product.outputs[0]


def _ends(
    graph: Graph, tensor: int, reading: dict[int, list[tuple[int, int]]], kept: set[int], width: int
) -> list[tuple[int, int]]:
    """(consumer, tensor that it reads) for all that reads the tensor; empty where a factor would be seen elsewhere."""
    if tensor in kept or not reading.get(tensor):
        return []
    found = []
    for index, position in reading[tensor]:
        op = graph.ops[index]
        if position == 0 and op.name in INPUT_AXIS and _weighted(graph, op) and _takes(graph, op, width):
            found.append((index, tensor))
            continue
        passing = position == 0 and op.name in CARRIERS and _fused(op) in (NONE, RELU)
        further = _ends(graph, op.outputs[0], reading, kept, width) if passing else []
        if not further:
            return []
        found += further
    return found


def _takes(graph: Graph, op: Op, width: int) -> bool:
    """Whether every input channel has weights of its own (no groups, no multiplier, no flattened picture)."""
    data, weights = (graph.tensors[index].shape for index in op.inputs[:2])
    return weights[INPUT_AXIS[op.name]] == width == data[-1]


def _weighted(graph: Graph, op: Op) -> bool:
    weights = graph.tensors[op.inputs[1]]
    biased = len(op.inputs) < 3 or op.inputs[2] < 0 or graph.tensors[op.inputs[2]].constant
    return weights.constant and weights.dtype == "float32" and biased


def _fused(op: Op) -> int:
    options: Any = op.options
    return int(getattr(options, "fusedActivationFunction", NONE))


def channel_shape(weights: np.ndarray, axis: int) -> list[int]:
    """The shape that lines a vector up with one axis."""
    return [-1 if place == axis else 1 for place in range(weights.ndim)]
