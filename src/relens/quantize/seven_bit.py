"""Weights on 127 levels instead of 255, for engines whose int8 kernels saturate.

Without VNNI, an x86 processor adds two products of 8-bit numbers in 16 bits (PMADDUBSW), which overflows for large
weights; with weights in -63..63 it cannot (Intel, "Lower numerical precision deep learning inference", 2018).
"""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.graph import Graph, Op
from relens.graph.edit import compacted
from relens.graph.flatbuffer import append_buffer, edited
from relens.quantize.choices import BITS_OF_OPERATION, Choices

LEVELS = 63
SMALLEST = 1e-9  # of a channel's largest weight, so that no scale is zero

Float64 = NDArray[np.float64]


def with_seven_bit_weights(made: Graph, source: Graph, choices: Choices) -> Graph:
    """The integer graph in which the operations chosen have weights in -63..63, taken anew from the float graph.

    Scales are `absmax / 63` a channel, so that weights which lie on the grid `k * absmax / 63` come back exactly; the
    int32 biases follow.
    """
    pairs = list(zip(_weighted(made), _weighted(source), strict=True))
    chosen = [(op, origin) for op, origin in pairs if choices.bits(source, origin) == 7 and _integer(made, op)]
    if not chosen:
        return made

    def change(model: Any) -> None:
        shared: dict[int, int] = {}
        for op, origin in chosen:
            _rewrite(model, made, op, source, origin, shared)

    return compacted(edited(made, change))


def _weighted(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if op.name in BITS_OF_OPERATION]


def _integer(graph: Graph, op: Op) -> bool:
    weights = graph.tensors[op.inputs[1]]
    return weights.constant and weights.dtype == "int8" and bool(weights.scales)


def _rewrite(model: Any, made: Graph, op: Op, source: Graph, origin: Op, shared: dict[int, int]) -> None:
    main = model.subgraphs[0]
    data, bias = (2, 3) if op.name == "TRANSPOSE_CONV" else (0, 2)
    axis = made.tensors[op.inputs[1]].quantized_dimension
    weights = source.constant(source.tensors[origin.inputs[1]]).astype(np.float64)
    per_tensor = len(made.tensors[op.inputs[1]].scales) == 1
    others = tuple(range(weights.ndim)) if per_tensor else tuple(i for i in range(weights.ndim) if i != axis)
    largest = np.abs(weights).max(axis=others, keepdims=True)
    scales = (np.maximum(largest, SMALLEST) / LEVELS).astype(np.float32).astype(np.float64)
    inputs = list(main.operators[op.index].inputs)
    if inputs[1] not in shared:
        stored = np.clip(np.rint(weights / scales), -LEVELS, LEVELS).astype(np.int8)
        shared[inputs[1]] = _fresh(model, inputs[1], stored, scales.reshape(-1))
    inputs[1] = shared[inputs[1]]
    if len(inputs) > bias and inputs[bias] >= 0:
        value = source.constant(source.tensors[origin.inputs[bias]]).astype(np.float64)
        step = scales.reshape(-1) * float(made.tensors[op.inputs[data]].scales[0])
        limit = np.iinfo(np.int32)
        stored = np.clip(np.rint(value / step), limit.min, limit.max).astype(np.int32)
        inputs[bias] = _fresh(model, inputs[bias], stored, step)
    main.operators[op.index].inputs = inputs


def _fresh(model: Any, index: int, stored: NDArray[Any], scales: Float64) -> int:
    """A copy of a tensor with other contents: whoever shared the old one keeps it."""
    main = model.subgraphs[0]
    table = copy.copy(main.tensors[index])
    table.quantization = copy.copy(table.quantization)
    table.quantization.scale = scales.astype(np.float32).tolist()
    table.quantization.zeroPoint = [0] * scales.size
    table.buffer = append_buffer(model, stored.tobytes())
    main.tensors.append(table)
    return len(main.tensors) - 1
