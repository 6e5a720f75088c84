"""What a graph needs in memory while it runs, from its shapes alone."""

from collections.abc import Iterator

from relens.graph.graph import Graph
from relens.graph.tensor import Op, Tensor

POINTER_BYTES = 8


def activation_peak_bytes(graph: Graph) -> int:
    """The most bytes of non-constant tensors alive while one operation runs.

    Inputs and variables stay alive throughout, as LiteRT keeps them; any other tensor from the operation
    that writes it to the last that reads it, outputs to the end. Weights that a DEQUANTIZE unpacks are
    weights, not activations. No planner can need less.
    """
    change = [0] * (len(graph.ops) + 2)
    for tensor, first, last in _lives(graph):
        change[first] += tensor.size_bytes
        change[last + 1] -= tensor.size_bytes
    peak = alive = 0
    for step in change:
        alive += step
        peak = max(peak, alive)
    return peak


def indirection_bytes(graph: Graph) -> int:
    """What XNNPACK's tables of pointers take, one pointer for each input pixel a kernel position looks at.

    A convolution wider than 1x1 keeps `out_h * out_w * kernel_h * kernel_w` of them, depthwise and pooling
    share those of neighbours in a row. Float or integer, they are the same: 13 of 23 MB for YOLOX-nano int8.
    """
    return sum(_pointers(graph, op) for op in graph.ops) * POINTER_BYTES


def _pointers(graph: Graph, op: Op) -> int:
    shape = graph.tensors[op.outputs[0]].shape if op.outputs else ()
    if len(shape) != 4:
        return 0
    height, width = _kernel(graph, op)
    stride = getattr(op.options, "strideW", 1)
    pixels = shape[1] * shape[2]
    if op.name == "CONV_2D":
        return pixels * height * width if height * width * stride > 1 else 0
    return pixels * height * min(stride, width)


def _kernel(graph: Graph, op: Op) -> tuple[int, int]:
    """The height and width of an operation's window, (0, 0) where it has none."""
    if op.name in {"CONV_2D", "DEPTHWISE_CONV_2D"}:
        for weights in (graph.tensors[index].shape for index in op.inputs[1:2] if index >= 0):
            if len(weights) == 4:
                return weights[1], weights[2]
    return getattr(op.options, "filterHeight", 0), getattr(op.options, "filterWidth", 0)


def _lives(graph: Graph) -> Iterator[tuple[Tensor, int, int]]:
    """Every non-constant tensor with the first and last operation it is alive for."""
    end = len(graph.ops)
    always = {tensor.index for tensor in (*graph.inputs, *(t for t in graph.tensors if t.variable))}
    first = dict.fromkeys(always, 0)
    last: dict[int, int] = {}
    for op in graph.ops:
        if op.name == "DEQUANTIZE" and all(graph.tensors[index].constant for index in op.inputs):
            continue
        for index in op.outputs:
            first.setdefault(index, op.index)
        last |= dict.fromkeys((*op.inputs, *op.outputs), op.index)
    last |= dict.fromkeys((*always, *(tensor.index for tensor in graph.outputs)), end)
    for index, start in first.items():
        if not graph.tensors[index].constant:
            yield graph.tensors[index], start, last[index]
