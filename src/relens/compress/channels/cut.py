"""Take channels out of a graph, or silence them in it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.compress.channels.groups import Groups, Kept
from relens.graph import Graph
from relens.graph.edit import Operand, with_operands


def cut(groups: Groups, kept: Kept, weights: Mapping[Operand, NDArray[np.float32]] | None = None) -> Graph:
    """The graph without the units that are not kept.

    Args:
        groups: the graph and its channels.
        kept: (units,) bool.
        weights: other constants, already cut, by operand: what repairs the operations that read.

    Raises:
        BadModel: RL-GRAPH-010, the runtime refuses the result.
    """
    return with_operands(groups.graph, {**sliced(groups, kept), **(weights or {})})


def sliced(groups: Groups, kept: Kept) -> dict[Operand, NDArray[Any]]:
    """The constants that change when units go: smaller weights, smaller shapes."""
    changed: dict[Operand, NDArray[Any]] = {}
    for member in groups.slices:
        stay = kept[member.channels]
        if not stay.all():
            operand = (member.op, member.operand)
            now = changed[operand] if operand in changed else original(groups.graph, operand)
            changed[operand] = np.compress(stay, now, axis=member.axis)
    for shape in groups.shapes:
        stay = kept[shape.channels]
        if not stay.all():
            new = np.array(shape.shape, np.int32)
            new[shape.entry] = stay.sum()
            changed[shape.op, shape.operand] = new
    return changed


def silenced(groups: Groups, kept: Kept) -> Graph:
    """The graph in its old shape with zeros wherever weights read a unit that is not kept.

    It answers exactly as the cut graph does: what the tests hold `cut` against.
    """
    changed: dict[Operand, NDArray[Any]] = {}
    for member in groups.slices:
        stay = kept[member.channels]
        if member.role == "reads" and not stay.all():
            operand = (member.op, member.operand)
            weights = original(groups.graph, operand).copy()
            np.moveaxis(weights, member.axis, 0)[~stay] = 0
            changed[operand] = weights
    return with_operands(groups.graph, changed)


def original(graph: Graph, operand: Operand) -> NDArray[Any]:
    """A constant operand's data."""
    op, position = operand
    return graph.constant(graph.tensors[graph.ops[op].inputs[position]])
