"""Weights that the quantizer does not write as they must be: taken anew from the float graph, scales and biases too.

Seven bits, for engines whose int8 kernels saturate: without VNNI, an x86 processor adds two products of 8-bit numbers
in 16 bits (PMADDUBSW), which overflows for large weights; with weights in -63..63 it cannot (Intel, "Lower numerical
precision deep learning inference", 2018).

Dead channels: regularisation leaves channels whose weights are 1e-30 and whose bias is not. The bias is stored in steps
of the input's scale times the weights', which is then so small that no int32 holds it, and the quantizer cuts it off:
of visual wake words' last convolution 234 of 256 channels lost biases of up to 0.9. Their weights get a coarser step.
"""

import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.graph import Graph, Op
from relens.graph.edit import compacted
from relens.graph.flatbuffer import append_buffer, edited
from relens.quantize.choices import BITS_OF_OPERATION, Choices

LEVELS = {7: 63, 8: 127}
LARGEST_BIAS = 2**30
SMALLEST = 1e-9  # of a channel's largest weight, so that no scale is zero

Float64 = NDArray[np.float64]


def with_sound_weights(made: Graph, source: Graph, choices: Choices) -> Graph:
    """The integer graph with 7-bit weights where they were chosen, and without biases that int32 cut off.

    Scales are `absmax / n` a channel (n = 63, or 127 for 8 bits), so that weights which lie on the grid
    `k * absmax / n` come back exactly; the int32 biases follow.
    """
    chosen = []
    for op, origin in zip(_weighted(made), _weighted(source), strict=True):
        bits = choices.bits(source, origin)
        if _integer(made, op) and (bits == 7 or _overflowing(made, op)):
            chosen.append((op, origin, LEVELS[bits]))
    if not chosen:
        return made

    def change(model: Any) -> None:
        shared: dict[int, int] = {}
        for op, origin, levels in chosen:
            _rewrite(model, made, op, source, origin, levels, shared)

    return compacted(edited(made, change))


def _weighted(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if op.name in BITS_OF_OPERATION]


def _integer(graph: Graph, op: Op) -> bool:
    weights = graph.tensors[op.inputs[1]]
    return weights.constant and weights.dtype == "int8" and bool(weights.scales)


def _operands(op: Op) -> tuple[int, int]:
    """The positions of data and bias."""
    return (2, 3) if op.name == "TRANSPOSE_CONV" else (0, 2)


def _overflowing(graph: Graph, op: Op) -> bool:
    bias = _operands(op)[1]
    if len(op.inputs) <= bias or op.inputs[bias] < 0:
        return False
    tensor = graph.tensors[op.inputs[bias]]
    stored = graph.constant(tensor) if tensor.constant and tensor.dtype == "int32" else np.zeros(1)
    return bool((np.abs(stored.astype(np.float64)) > LARGEST_BIAS).any())


def _rewrite(model: Any, made: Graph, op: Op, source: Graph, origin: Op, levels: int, shared: dict[int, int]) -> None:
    main = model.subgraphs[0]
    data, place = _operands(op)
    tensor = made.tensors[op.inputs[1]]
    weights = source.constant(source.tensors[origin.inputs[1]]).astype(np.float64)
    kept = () if len(tensor.scales) == 1 else (tensor.quantized_dimension,)
    others = tuple(axis for axis in range(weights.ndim) if axis not in kept)
    steps = np.maximum(np.abs(weights).max(axis=others, keepdims=True), SMALLEST) / levels
    inputs = list(main.operators[op.index].inputs)
    biased = len(inputs) > place and inputs[place] >= 0
    bias = source.constant(source.tensors[origin.inputs[place]]).astype(np.float64) if biased else np.zeros(1)
    scale = float(made.tensors[op.inputs[data]].scales[0])
    least = np.abs(bias) / (scale * LARGEST_BIAS)
    steps = np.maximum(steps, least.reshape(steps.shape) if kept and biased else least.max())
    steps = steps.astype(np.float32).astype(np.float64)
    if inputs[1] not in shared:
        stored = np.clip(np.rint(weights / steps), -levels, levels).astype(np.int8)
        shared[inputs[1]] = _fresh(model, inputs[1], stored, steps.reshape(-1))
    inputs[1] = shared[inputs[1]]
    if biased:
        rounded = np.rint(bias / (steps.reshape(-1) * scale)).astype(np.int32)
        inputs[place] = _fresh(model, inputs[place], rounded, steps.reshape(-1) * scale)
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
