"""Which numbers the integer file rounds, and how: read off an integer file of the same graph."""

from dataclasses import dataclass, replace

from relens.graph import Graph, Op, Tensor
from relens.graph.tensor import WEIGHTED

KERNEL_POSITION = 1
FIXED = frozenset({"SOFTMAX", "LOGISTIC", "TANH", "L2_NORMALIZATION", "LOG_SOFTMAX"})
# What moves numbers without computing new ones: its result is on its operand's grid already.
MOVES = frozenset(
    {
        "RESHAPE",
        "MAX_POOL_2D",
        "TRANSPOSE",
        "SLICE",
        "STRIDED_SLICE",
        "SPLIT",
        "SPLIT_V",
        "PAD",
        "SQUEEZE",
        "EXPAND_DIMS",
        "PACK",
        "UNPACK",
        "GATHER",
        "GATHER_ND",
        "TILE",
        "SPACE_TO_DEPTH",
        "DEPTH_TO_SPACE",
        "RESIZE_NEAREST_NEIGHBOR",
        "SPACE_TO_BATCH_ND",
        "BATCH_TO_SPACE_ND",
        "REDUCE_MAX",
        "REDUCE_MIN",
        "MIRROR_PAD",
        "BROADCAST_TO",
    }
)
# What computes new numbers on its operand's grid.
TIES = frozenset({"AVERAGE_POOL_2D", "RESIZE_BILINEAR"})
# What takes numbers from several operands, which the quantizer puts on the result's grid.
JOINS = frozenset({"CONCATENATION", "PACK", "SELECT", "SELECT_V2", "PADV2", "MAXIMUM", "DYNAMIC_UPDATE_SLICE"})


@dataclass(frozen=True)
class Range:
    """The ends of a tensor's grid.

    learned: the runtime leaves them open. group: tensors of one group share their ends. rounds: numbers are rounded
    here; not where they are only moved.
    """

    low: float
    high: float
    learned: bool
    group: int
    rounds: bool


@dataclass(frozen=True)
class Plan:
    """Tensor index -> range, and operation index -> bits and whether each channel has a scale of its own."""

    ranges: dict[int, Range]
    kernels: dict[int, tuple[int, bool]]


def plan(graph: Graph, integer: Graph, *, bits: int | None = None) -> Plan:
    """What to round in the float graph so that it computes as the integer one does.

    Args:
        graph: the float graph, possibly with inner tensors as more outputs.
        integer: made of it; tensors keep their names.
        bits: of kernels, where the file cannot tell (7 bits are stored as 8).
    """
    stored = {tensor.tensor_name: tensor for tensor in integer.tensors}
    made = {integer.tensors[op.outputs[0]].tensor_name: op for op in integer.ops}
    ranges: dict[int, Range] = {}
    for tensor in (*graph.inputs, *(graph.tensors[index] for op in graph.ops for index in op.outputs)):
        twin = _twin(tensor, stored)
        if twin is None:
            continue
        op = graph.producers.get(tensor.index)
        before = _source(op, stored, graph, twin)
        low, high = ends(twin)
        if before in ranges:
            moved = op is not None and op.name in MOVES
            ranges[tensor.index] = replace(ranges[before], rounds=not moved)
            continue
        learned = op is not None and op.name not in FIXED
        ranges[tensor.index] = Range(low, high, learned, tensor.index, rounds=True)
    for op in graph.ops:
        if op.name in JOINS and op.outputs[0] in ranges:
            ranges = _joined(ranges, op)
    kernels = {op.index: _kernel(op, graph, integer, made, bits) for op in graph.ops if op.name in WEIGHTED}
    return Plan(ranges, {op: kernel for op, kernel in kernels.items() if kernel is not None})


def ends(tensor: Tensor) -> tuple[float, float]:
    """The real values of an int8 tensor's lowest and highest level."""
    scale = tensor.scale or 0.0
    return (-128 - tensor.zero_point) * scale, (127 - tensor.zero_point) * scale


def _twin(tensor: Tensor, stored: dict[str, Tensor]) -> Tensor | None:
    """The integer file's form of a tensor; of one computed in float, what the quantizer makes of it for its readers."""
    for name in (tensor.tensor_name, f"{tensor.tensor_name}_quantized"):
        twin = stored.get(name)
        if twin is not None and twin.dtype == "int8" and twin.scale is not None:
            return twin
    return None


def _source(op: Op | None, stored: dict[str, Tensor], graph: Graph, twin: Tensor) -> int | None:
    """The operand whose grid an operation's result stands on."""
    if op is None or op.name not in MOVES | TIES:
        return None
    for index in op.inputs:
        operand = _twin(graph.tensors[index], stored) if index >= 0 else None
        if operand is not None and operand.scale == twin.scale and operand.zero_point == twin.zero_point:
            return index
    return None


def _joined(ranges: dict[int, Range], op: Op) -> dict[int, Range]:
    """With the operands that have the result's ends in its group: the ends are learned once, if all leave them open."""
    result = ranges[op.outputs[0]]
    alike = [ranges[index] for index in op.inputs if index in ranges]
    alike = [one for one in alike if (one.low, one.high) == (result.low, result.high)]
    groups, learned = {result.group, *(one.group for one in alike)}, all(one.learned for one in (result, *alike))
    return {
        index: replace(one, group=result.group, learned=learned) if one.group in groups else one
        for index, one in ranges.items()
    }


def _kernel(op: Op, graph: Graph, integer: Graph, made: dict[str, Op], bits: int | None) -> tuple[int, bool] | None:
    twin = made.get(graph.tensors[op.outputs[0]].tensor_name)
    if twin is None or twin.name != op.name:
        return None
    kernel = integer.tensors[twin.inputs[KERNEL_POSITION]]
    if not kernel.quantized:
        return None
    width = 4 if kernel.dtype == "int4" else 8
    return (bits or width) if width == 8 else width, len(kernel.scales) > 1
