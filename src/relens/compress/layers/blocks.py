"""The blocks of a graph that can go: what lies between two tensors of the same shape."""

from collections.abc import Iterator
from dataclasses import dataclass

from relens.graph import Graph, cost
from relens.graph.tensor import WEIGHTED


@dataclass(frozen=True)
class Block:
    """Operations that only serve to make `end` out of `start`, two tensors of one shape.

    name: the end's tensor name, which stays while other blocks go. macs, parameters: what goes with it.
    """

    name: str
    start: int
    end: int
    ops: tuple[int, ...]
    macs: int
    parameters: int

    def __str__(self) -> str:
        return f"{len(self.ops)} ops, {self.macs / 1e6:.2f} M MACs, {self.parameters / 1e3:.1f} k weights: {self.name}"


def blocks(graph: Graph) -> tuple[Block, ...]:
    """The removable blocks of a graph, in order of execution; one may hold others.

    A block ends at a tensor and starts at the nearest tensor before it with the same shape and the same sign (a
    result of ReLU is not replaced by one that can be negative), such that all that was computed in between serves
    nothing else. Residual branches are found at the addition that joins them.
    """
    counted = {op.index: (op.macs, op.parameters) for op in cost(graph).ops}
    ends = (op.outputs[0] for op in graph.ops if len(op.outputs) == 1)
    found = (_ending_at(graph, end, counted) for end in ends)
    return tuple(block for block in found if block is not None)


def _ending_at(graph: Graph, end: int, counted: dict[int, tuple[int, int]]) -> Block | None:
    tensor = graph.tensors[end]
    if len(tensor.shape) < 2 or tensor.dtype != "float32" or end in {output.index for output in graph.outputs}:
        return None
    for start in _before(graph, end):
        if graph.tensors[start].shape != tensor.shape or _activation(graph, start) != _activation(graph, end):
            continue
        ops = _between(graph, start, end)
        if ops and any(graph.ops[op].name in WEIGHTED for op in ops):
            macs, parameters = (sum(counted[op][kind] for op in ops) for kind in (0, 1))
            return Block(tensor.tensor_name, start, end, ops, macs, parameters)
    return None


def _before(graph: Graph, end: int) -> Iterator[int]:
    """The computed tensors that `end` depends on, the nearest first."""
    waiting, seen = [end], {end}
    while waiting:
        op = graph.producers.get(waiting.pop(0))
        for index in sorted(op.inputs, reverse=True) if op else ():
            if index >= 0 and index not in seen and not graph.tensors[index].constant:
                seen.add(index)
                waiting.append(index)
                yield index


def _between(graph: Graph, start: int, end: int) -> tuple[int, ...]:
    """The operations that nobody needs any more once readers of `end` read `start`; none if something else breaks."""
    gone = {op.index for op in graph.ops if end in op.outputs}
    readers: dict[int, set[int]] = {}
    for op in graph.ops:
        for index in op.inputs:
            readers.setdefault(index, set()).add(op.index)
    outputs = {tensor.index for tensor in graph.outputs}
    for op in reversed(graph.ops):
        made = set(op.outputs)
        if op.index in gone or start in made or made & outputs:
            continue
        if all(readers.get(index, set()) <= gone for index in made) and any(readers.get(index) for index in made):
            gone.add(op.index)
    return tuple(sorted(gone))


def _activation(graph: Graph, tensor: int) -> int:
    """The activation fused into a tensor's operation: 0 for none."""
    op = graph.producers.get(tensor)
    return int(getattr(op.options, "fusedActivationFunction", 0) or 0) if op else 0
