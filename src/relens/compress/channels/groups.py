"""Dependency groups: channels that can only go together, and everything that goes with them.

The idea is Torch-Pruning's (Fang et al., "DepGraph", CVPR 2023), here over the flatbuffer's operations and channel by
channel: a *unit* is a set of channels that stay or go as one (through ADD, squeeze-excite, grouped convolutions,
flattening), a *group* is a run of units that one or more operations make together.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import gcd

import numpy as np
from numpy.typing import NDArray

from relens.compress.channels.layout import Ids, Layout, Shape, Slice, Walk
from relens.compress.channels.rules import RULES
from relens.graph import Graph, cost

Kept = NDArray[np.bool_]
"""Which units stay, (units,) bool."""

TILE = 8  # channels that the kernels of float engines take at once; widths are multiples of it


@dataclass(frozen=True, repr=False, eq=False)
class Group:
    """Units that are made together.

    Attributes:
        index: its place in `Groups.groups`, by order of execution.
        units: unit numbers, (size,) int64.
        members: every constant operand that loses something when a unit goes.
        locked: why it cannot be cut; empty where it can.
        step: widths are full or a multiple of this, so that tensors stay multiples of 8 channels wide.
        unit_macs: multiply-accumulates saved by the first unit that goes, on average.
        unit_bytes: bytes of constants likewise.
        names: the tensors of its makers, for people.
    """

    index: int
    units: Ids
    members: tuple[Slice, ...] = field(repr=False)
    locked: str
    step: int
    unit_macs: float
    unit_bytes: float
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many units it has."""
        return len(self.units)

    @cached_property
    def floors(self) -> tuple[tuple[NDArray[np.bool_], int], ...]:
        """Tensors that hold only some of the units: which, (size,) bool, and how many of them have to stay."""
        parts = {np.isin(self.units, member.channels).tobytes() for member in self.members}
        masks = [np.frombuffer(part, bool) for part in sorted(parts)]
        return tuple((mask, min(self.step, int(mask.sum()))) for mask in masks if 0 < mask.sum() < self.size)

    def can_go(self, left: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the units left, (size,) bool, may go without emptying a tensor; all of them where none may."""
        free = left.copy()
        for mask, least in self.floors:
            if left[mask].sum() <= least:
                free &= ~mask
        return free if free.any() else left

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths it can have, in units, its own size first."""
        least = -(-max(sum(least for _, least in self.floors), 1) // self.step) * self.step
        rest = range((self.size - 1) // self.step * self.step, least - 1, -self.step)
        return () if self.locked else (self.size, *rest)

    def __repr__(self) -> str:
        ops: dict[str, list[int]] = defaultdict(list)
        for member in self.members:
            if member.op not in ops[member.role]:
                ops[member.role].append(member.op)
        lines = [f"Group {self.index}: {self.size} channels of {', '.join(self.names[:2]) or 'an input'}"]
        lines += [f"  locked: {self.locked}"] if self.locked else []
        lines += [f"  {role:5} {_listed(ops[role])}" for role in ("makes", "rides", "reads") if ops[role]]
        lines.append(f"  each channel: {self.unit_macs / 1e6:.3f} M MACs, {self.unit_bytes / 1e3:.2f} kB")
        return "\n".join(lines)


@dataclass(frozen=True, repr=False)
class Groups:
    """All channels of a graph.

    Attributes:
        graph: the graph.
        groups: in order of execution.
        owner: the group of each unit, (units,) int64.
        layouts: the units along each tensor's channel axis, by tensor.
        slices: every constant operand with channels, its `channels` being unit numbers.
        shapes: every operand that holds a shape which counts channels, likewise.
    """

    graph: Graph
    groups: tuple[Group, ...]
    owner: Ids
    layouts: Mapping[int, Layout]
    slices: tuple[Slice, ...]
    shapes: tuple[Shape, ...]

    @property
    def everything(self) -> Kept:
        """All units stay."""
        return np.ones(len(self.owner), bool)

    @cached_property
    def free(self) -> tuple[Group, ...]:
        """The groups that can be cut."""
        return tuple(group for group in self.groups if len(group.widths) > 1)

    def __repr__(self) -> str:
        lines = [f"Groups({len(self.groups)}, of which {len(self.free)} can be cut)"]
        lines += [f"  {g.index}: {g.size} of {', '.join(g.names[:1])}" for g in self.free[:8]]
        return "\n".join([*lines, "  ..."] if len(self.free) > 8 else lines)


def groups_of(graph: Graph) -> Groups:
    """The dependency groups of a float graph."""
    walk = Walk(graph)
    for tensor in graph.inputs:
        walk.layout(tensor.index, "is an input of the graph")
    for op in graph.ops:
        rule = RULES.get(op.name)
        if rule is None or op.custom:
            walk.stop(op, f"goes into {op.name}, which relens does not cut")
        else:
            rule(walk, op)
    for tensor in graph.outputs:
        walk.channels.lock(walk.layout(tensor.index).ids, "is an output of the graph")
    return _numbered(walk)


def _numbered(walk: Walk) -> Groups:
    """Units and groups out of what the walk tied together."""
    channels = walk.channels
    roots = np.array([channels.root(channel) for channel in range(len(channels.parent))], np.int64)
    found, unit = np.unique(roots, return_inverse=True)
    owner = _owners(np.array(channels.block, np.int64), unit, len(found))
    why: dict[int, str] = {}
    for channel, reason in channels.locked.items():
        why.setdefault(int(owner[unit[channel]]), reason)
    slices = tuple(Slice(s.op, s.operand, s.axis, unit[s.channels], s.role) for s in walk.slices)
    shapes = tuple(Shape(s.op, s.operand, s.shape, s.entry, unit[s.channels]) for s in walk.shapes)
    macs = {op.index: op.macs for op in cost(walk.graph).ops}
    members: dict[int, list[Slice]] = defaultdict(list)
    for member in slices:
        for index in np.unique(owner[member.channels]).tolist():
            members[index].append(member)
    groups = tuple(
        _group(walk.graph, index, np.flatnonzero(owner == index), members[index], why.get(index, ""), macs)
        for index in range(owner.max(initial=-1) + 1)
    )
    layouts = {tensor: Layout(found.axis, unit[found.ids]) for tensor, found in walk.layouts.items()}
    return Groups(walk.graph, groups, owner, layouts, slices, shapes)


def _owners(block: Ids, unit: Ids, units: int) -> Ids:
    """The group of each unit: blocks that share a unit are one group; numbered in order of their first block."""
    parent = list(range(int(block.max(initial=-1)) + 1))

    def root(item: int) -> int:
        while parent[item] != item:
            item = parent[item]
        return item

    first: dict[int, int] = {}
    for one, its in zip(block.tolist(), unit.tolist(), strict=True):
        low, high = sorted((root(first.setdefault(its, one)), root(one)))
        parent[high] = low
    tops = np.array([root(first[item]) for item in range(units)], np.int64)
    return np.asarray(np.unique(tops, return_inverse=True)[1], np.int64)


def _group(graph: Graph, index: int, units: Ids, members: list[Slice], locked: str, macs: Mapping[int, int]) -> Group:
    mine = [np.isin(member.channels, units).sum() for member in members]
    shares = [count / len(member.channels) / len(units) for count, member in zip(mine, members, strict=True)]
    matrices = [len(graph.tensors[graph.ops[m.op].inputs[m.operand]].shape) > 1 for m in members]
    sizes = [graph.tensors[graph.ops[m.op].inputs[m.operand]].size_bytes for m in members]
    makers = [graph.ops[m.op].outputs[0] for m, matrix in zip(members, matrices, strict=True) if matrix]
    names = [graph.tensors[tensor].tensor_name for tensor in makers]
    own = [m.channels[np.isin(m.channels, units)] for m in members if m.role == "makes"]
    wide = min((len(channels) // len(np.unique(channels)) for channels in own), default=1)
    if len({m.op for m in members if m.role == "reads"}) == 0:
        locked = locked or "nothing reads it that could be cut"
    return Group(
        index=index,
        units=units,
        members=tuple(members),
        locked=locked,
        step=TILE // gcd(TILE, wide),
        unit_macs=sum(s * macs[m.op] for s, m, matrix in zip(shares, members, matrices, strict=True) if matrix),
        unit_bytes=sum(s * size for s, size in zip(shares, sizes, strict=True)),
        names=tuple(dict.fromkeys(name.partition(";")[0] for name in names)),
    )


def _listed(ops: list[int]) -> str:
    rest = f" and {len(ops) - 8} more" if len(ops) > 8 else ""
    return "ops " + " ".join(map(str, ops[:8])) + rest
