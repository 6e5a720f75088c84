"""Repair a cut graph without training: every linear operation in turn learns to answer as the original's does.

The inputs are the *cut* graph's own, so that each operation also makes up for what went wrong before it
(asymmetric reconstruction: He, Zhang & Sun, "Channel Pruning", ICCV 2017); the target is the original's answer before
its activation. Where the result is added to a shortcut, what the shortcut lacks is part of the target. Each is a ridge
regression towards the present weights; its strength is chosen on pictures that it did not see, "leave as it is"
being one of the choices.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relens.compress.activations import Array, Inside, places
from relens.compress.channels.groups import Groups, Kept
from relens.compress.channels.importance import parted
from relens.compress.channels.linear import Linear, linear
from relens.graph import Graph, Op
from relens.graph.edit import Operand, with_operands

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Strengths to choose from, relative to the mean square of the inputs."""
UNSEEN = 4  # every fourth picture chooses the strength
WINDOW_BYTES = 2**29
LARGEST = 6144


@dataclass(frozen=True)
class Repaired:
    """What one operation's repair brought, on the unseen pictures.

    Attributes:
        op: the operation. before, after: squared error relative to the target's variance. ridge: the one chosen; 0
            where the weights stayed.
    """

    op: int
    before: float
    after: float
    ridge: float


@dataclass
class _Sums:
    """Running sums of a regression on what the present weights leave over: X^T X, X^T R and |R|^2."""

    xx: NDArray[np.float64]
    xr: NDArray[np.float64]
    rr: float = 0.0

    def add(self, x: Array, rest: Array) -> None:
        self.xx += x.transpose(0, 2, 1) @ x
        self.xr += x.transpose(0, 2, 1) @ rest
        self.rr += float(np.square(rest).sum())

    def error(self, change: NDArray[np.float64]) -> float:
        """|R - X change|^2."""
        return float(self.rr - 2 * (change * self.xr).sum() + (change * (self.xx @ change)).sum())

    def change(self, ridge: float) -> NDArray[np.float64]:
        """What to add to the weights, (parts, F + 1, O); the bias is free."""
        size = self.xx.shape[1]
        each = np.einsum("pff->pf", self.xx)[:, :-1].mean(1) * ridge + 1e-9
        damping = each[:, None, None] * np.eye(size)
        damping[:, -1, -1] = 1e-9
        return np.asarray(np.linalg.solve(self.xx + damping, self.xr))


def repaired(
    groups: Groups,
    kept: Kept,
    student: Graph,
    pictures: Sequence[Array],
    *,
    rows: int = 64,
    progress: Callable[[float], None] | None = None,
) -> tuple[Graph, tuple[Repaired, ...]]:
    """The cut graph with every linear operation refitted, in order of execution.

    Args:
        groups: the original and its channels. kept: (units,) bool, what the student has.
        student: the cut graph, operation for operation that of the original.
        pictures: input tensors.
        rows: of each picture and operation, how many places count; more where an operation has many inputs.
        progress: told the fraction done, 0..1.
    """
    found = (linear(groups.graph, op) for op in groups.graph.ops)
    todo = [item for item in found if item is not None and item.weights.size // len(item.bias) <= LARGEST]
    done: list[Repaired] = []
    for window in _windows(todo, len(pictures), rows):
        targets = _targets(groups.graph, window, pictures, rows)
        for item in window:
            change, report = _repair(groups, kept, student, item, targets.pop(item.op), pictures, rows)
            student = with_operands(student, change) if change else student
            done.append(report)
            if progress is not None:
                progress(len(done) / len(todo))
    return student, tuple(done)


def _repair(
    groups: Groups, kept: Kept, student: Graph, item: Linear, target: list[Array], pictures: Sequence[Array], rows: int
) -> tuple[Mapping[Operand, Array], Repaired]:
    mine = linear(student, student.ops[item.op])
    assert mine is not None
    made = kept[groups.layouts[groups.graph.ops[item.op].outputs[0]].ids]
    columns = made[item.outputs].reshape(-1)
    beside = _shortcut(groups.graph, groups.graph.ops[item.op])
    tensors = [mine.data] + ([student.ops[beside[0]].inputs[beside[1]]] if beside else [])
    inside = Inside(student, tensors)
    present = np.concatenate([mine.matrix, (mine.bias[mine.outputs] * mine.has_bias_row)[:, None]], axis=1)
    shape = present.shape[0], present.shape[1], present.shape[1]
    fit, unseen = (_Sums(np.zeros(shape), np.zeros_like(present)) for _ in range(2))
    total, squares, count = np.zeros(present.shape[::2]), 0.0, 0
    where = places(item.op, len(pictures), _count(item, rows, len(pictures)), item.total_rows)
    for index, (picture, at, wanted) in enumerate(zip(pictures, where, target, strict=True)):
        data, *rest = inside(picture)
        x = mine.rows(data, at)
        x = np.concatenate([x, np.full((*x.shape[:2], 1), float(mine.has_bias_row), np.float32)], axis=2)
        y = wanted[:, columns]
        if rest:  # the target holds the original's whole sum; the shortcut brings a part of it
            y = y - rest[0].reshape(-1, rest[0].shape[-1])[at]
        y = y.reshape(len(at), mine.parts, -1).transpose(1, 0, 2)
        (unseen if index % UNSEEN == UNSEEN - 1 else fit).add(x, y - (x @ present).astype(np.float32))
        total, squares, count = total + y.sum(1), squares + float(np.square(y).sum()), count + len(at)
    variance = max((squares - float(np.square(total).sum()) / count) / UNSEEN, 1e-12)
    tries = {ridge: unseen.error(fit.change(ridge)) for ridge in RIDGES}
    best = min(tries, key=lambda ridge: tries[ridge])
    report = Repaired(item.op, unseen.rr / variance, min(tries[best], unseen.rr) / variance, best)
    if tries[best] >= unseen.rr:
        return {}, Repaired(item.op, report.before, report.before, 0.0)
    both = _Sums(fit.xx + unseen.xx, fit.xr + unseen.xr)
    return parted(mine, present + both.change(best), np.ones(len(mine.bias), bool)), report


def _targets(graph: Graph, window: Sequence[Linear], pictures: Sequence[Array], rows: int) -> dict[int, list[Array]]:
    """What the original's operations answer before their activation, each picture (places, outputs) float32.

    Where a shortcut is added at once, it is part of the answer.
    """
    besides = {item.op: _shortcut(graph, graph.ops[item.op]) for item in window}
    tensors = [item.data for item in window]
    tensors += [graph.ops[b[0]].inputs[b[1]] for b in besides.values() if b]
    inside = Inside(graph, tensors)
    where = {item.op: places(item.op, len(pictures), _count(item, rows, len(pictures)), item.total_rows) for item in window}
    found: dict[int, list[Array]] = {item.op: [] for item in window}
    matrices = {item.op: item.matrix.astype(np.float32) for item in window}
    for picture in pictures:
        seen = inside(picture)
        shortcuts = iter(seen[len(window) :])
        for item, data in zip(window, seen, strict=False):
            at = next(where[item.op])
            y = item.rows(data, at) @ matrices[item.op]
            y = y.transpose(1, 0, 2).reshape(len(at), -1)
            if item.has_bias_row:
                y += item.bias
            if besides[item.op]:
                shortcut = next(shortcuts)
                y += shortcut.reshape(-1, shortcut.shape[-1])[at]
            found[item.op].append(y)
    return found


def _shortcut(graph: Graph, op: Op) -> tuple[int, int] | None:
    """The operand (operation, position) that is added to this one's output at once; None where there is none."""
    readers = [other for other in graph.ops if op.outputs[0] in other.inputs]
    if op.name == "TRANSPOSE_CONV" or getattr(op.options, "fusedActivationFunction", 0):
        return None
    if len(readers) != 1 or readers[0].name != "ADD" or readers[0].inputs.count(op.outputs[0]) != 1:
        return None
    position = 1 - readers[0].inputs.index(op.outputs[0])
    other = readers[0].inputs[position]
    shape = graph.tensors[op.outputs[0]].shape
    early = all(maker.index < op.index for maker in graph.ops if other in maker.outputs)
    fits = not graph.tensors[other].constant and graph.tensors[other].shape == shape and len(shape) in (2, 4)
    return (readers[0].index, position) if early and fits else None


def _count(item: Linear, rows: int, pictures: int) -> int:
    return min(item.total_rows, max(rows, -(-6 * item.matrix.shape[1] // pictures)))


def _windows(todo: Sequence[Linear], pictures: int, rows: int) -> Iterator[list[Linear]]:
    """Runs of operations whose targets fit into memory together."""
    window: list[Linear] = []
    room = WINDOW_BYTES
    for item in todo:
        size = 4 * pictures * _count(item, rows, pictures) * item.outputs.size
        if window and size > room:
            yield window
            window, room = [], WINDOW_BYTES
        window.append(item)
        room -= size
    if window:
        yield window
