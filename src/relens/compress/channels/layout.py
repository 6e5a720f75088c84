"""Which channel sits where: a union-find over single channels, and each tensor's channel axis."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relens.graph.graph import Graph
from relens.graph.tensor import Op

Ids = NDArray[np.int64]
"""Channels by number, (C,) int64, in the order in which they lie along an axis."""


@dataclass(frozen=True)
class Layout:
    """A tensor's channels: those that lie along `axis`, one number a position; a number may repeat."""

    axis: int
    ids: Ids


@dataclass(frozen=True)
class Slice:
    """A constant operand that loses what its dropped channels take along one axis.

    Attributes:
        op: the operation. operand: the position of the constant among its inputs.
        axis: the constant's axis along which channels lie.
        channels: the channel at each position of that axis, (n,) int64.
        role: "makes" (weights and biases whose outputs these channels are), "reads" (weights they meet as inputs)
            or "rides" (factors, slopes and depthwise weights that they pass on their way).
    """

    op: int
    operand: int
    axis: int
    channels: Ids
    role: str


@dataclass(frozen=True)
class Shape:
    """An operand that holds a shape, of which one entry is a number of channels.

    Attributes:
        op: the operation. operand: the position of the shape among its inputs.
        shape: the whole shape, as it is before any cut.
        entry: the entry that counts channels.
        channels: the channels it counts, (shape[entry],) int64.
    """

    op: int
    operand: int
    shape: tuple[int, ...]
    entry: int
    channels: Ids


class Channels:
    """All channels of a graph while its operations are walked through: who is tied to whom, who must stay."""

    def __init__(self) -> None:
        self.parent: list[int] = []
        self.block: list[int] = []  # the fresh run of channels each one was born in
        self.locked: dict[int, str] = {}
        self._blocks = 0

    def fresh(self, count: int) -> Ids:
        """New channels, tied to nothing."""
        start = len(self.parent)
        self.parent += range(start, start + count)
        self.block += [self._blocks] * count
        self._blocks += 1
        return np.arange(start, start + count)

    def root(self, channel: int) -> int:
        """The representative of everything that must stay or go with this channel."""
        while self.parent[channel] != channel:
            self.parent[channel] = self.parent[self.parent[channel]]
            channel = self.parent[channel]
        return channel

    def join(self, some: Ids, others: Ids) -> None:
        """Tie channels pairwise."""
        for one, other in zip(some.tolist(), others.tolist(), strict=True):
            self.parent[self.root(other)] = self.root(one)

    def couple(self, ids: Ids, parts: int) -> None:
        """Tie the first channels of `parts` equal runs to each other, the second ones, and so on."""
        rows = ids.reshape(parts, -1)
        for row in rows[1:]:
            self.join(rows[0], row)

    def lock(self, ids: Iterable[int], why: str) -> None:
        """Let channels stay."""
        for channel in ids:
            self.locked.setdefault(int(channel), why)


class Walk:
    """A graph being walked through in order of execution; the rules in `rules.py` speak to this."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.channels = Channels()
        self.layouts: dict[int, Layout] = {}
        self.slices: list[Slice] = []
        self.shapes: list[Shape] = []

    def shape(self, tensor: int) -> tuple[int, ...]:
        """A tensor's shape."""
        return self.graph.tensors[tensor].shape

    def constant(self, op: Op, position: int) -> NDArray[np.generic] | None:
        """The constant at an operand; None where there is none or it is computed."""
        if position >= len(op.inputs) or op.inputs[position] < 0:
            return None
        tensor = self.graph.tensors[op.inputs[position]]
        return self.graph.constant(tensor) if tensor.constant else None

    def is_constant(self, tensor: int) -> bool:
        """Whether a tensor's data is in the file."""
        return self.graph.tensors[tensor].constant

    def layout(self, tensor: int, why: str = "not made by an operation that can be cut") -> Layout:
        """A tensor's channels; one that nobody made has locked ones along its last axis."""
        if tensor not in self.layouts:
            shape = self.shape(tensor) or (1,)
            ids = self.channels.fresh(shape[-1])
            self.channels.lock(ids, why)
            self.layouts[tensor] = Layout(len(shape) - 1, ids)
        return self.layouts[tensor]

    def along(self, tensor: int, axis: int, why: str) -> Ids:
        """The channels along a tensor's axis; where they lie along another, they are locked and these are too."""
        found = self.layout(tensor)
        if found.axis == axis:
            return found.ids
        self.channels.lock(found.ids, why)
        ids = self.channels.fresh(self.shape(tensor)[axis])
        self.channels.lock(ids, why)
        return ids

    def make(self, op: Op, axis: int) -> Ids:
        """Fresh channels along an axis of an operation's output."""
        ids = self.channels.fresh(self.shape(op.outputs[0])[axis])
        self.layouts[op.outputs[0]] = Layout(axis, ids)
        return ids

    def slice(self, op: Op, operand: int, axis: int, ids: Ids, role: str) -> None:
        """Say that a constant operand has channels along an axis; an operand left out has none."""
        if operand < len(op.inputs) and op.inputs[operand] >= 0:
            self.slices.append(Slice(op.index, operand, axis, ids, role))

    def stop(self, op: Op, why: str) -> None:
        """Lock everything that goes into an operation; what comes out is locked too."""
        for tensor in op.inputs:
            if tensor >= 0 and not self.is_constant(tensor):
                self.channels.lock(self.layout(tensor).ids, why)
        for tensor in op.outputs:
            self.layout(tensor, why)
