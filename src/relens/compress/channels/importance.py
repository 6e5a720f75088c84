"""Which channels matter, by what their readers lose: structured Optimal Brain Surgeon over calibration pictures.

For every operation that reads a group, H = X^T X over its inputs X says how well the remaining inputs can stand in
for a channel that goes (Kurtic et al., "ZipLM", 2023; Frantar & Alistarh, "Optimal Brain Compression", 2022). A
column of ones lets the bias take over means.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.compress.activations import Array, Inside, places
from relens.compress.channels.groups import Group, Groups, Kept
from relens.compress.channels.layout import Ids
from relens.compress.channels.linear import Linear, linear
from relens.graph.edit import Operand

LARGEST = 6144  # features; beyond it the Gram matrix is too big to keep and the operation does not vote
RIDGE = 1e-4  # of the mean square of the inputs
COMPACT_EVERY = 32


@dataclass(frozen=True)
class Reader:
    """An operation that reads channels, and what its inputs look like.

    Attributes:
        linear: the operation.
        units: the unit at each feature, (F,) int64.
        gram: X^T X / rows with a last feature of ones, (parts, F + 1, F + 1) float64.
        rows: how many rows it was made from.
    """

    linear: Linear
    units: Ids
    gram: NDArray[np.float64] = field(repr=False)
    rows: int = LARGEST

    @property
    def damped(self) -> NDArray[np.float64]:
        """The Gram matrix with a ridge; a stronger one where there are few rows for the features."""
        size = self.gram.shape[1]
        scarce = max(1.0, 20.0 * size / self.rows)
        each = np.einsum("pff->pf", self.gram)[:, :-1].mean(1) * RIDGE * scarce + 1e-10
        ridge = each[:, None, None] * np.eye(size)
        # A column of ones that is not used still has to be solvable.
        ridge[:, -1, -1] = np.where(self.gram[:, -1, -1] == 0, 1.0, 0.0)
        return np.asarray(self.gram + ridge)

    @property
    def target(self) -> NDArray[np.float64]:
        """Weights with the bias as last row (zero where it is not one), (parts, F + 1, O)."""
        bias = self.linear.bias[self.linear.outputs] * self.linear.has_bias_row
        return np.concatenate([self.linear.matrix, bias[:, None, :]], axis=1)

    @property
    def power(self) -> float:
        """The variance of its outputs, summed."""
        weights = self.target[:, :-1]
        mean = self.gram[:, -1:, :-1]
        centred = self.gram[:, :-1, :-1] - mean.transpose(0, 2, 1) * mean
        return max(float(np.einsum("pfo,pfg,pgo->", weights, centred, weights, optimize=True)), 1e-12)


@dataclass(frozen=True)
class Order:
    """In which order a group's units go.

    Attributes:
        units: the one that is missed least first, (size,) int64.
        errors: relative squared error of all readers together once units[:k] are gone, (size + 1,); 0 at first.
    """

    units: Ids
    errors: NDArray[np.float64]

    def keep(self, kept: Kept, width: int) -> None:
        """Mark all but the last `width` as gone."""
        kept[self.units] = True
        kept[self.units[: len(self.units) - width]] = False


def readers_of(
    groups: Groups, pictures: Sequence[Array], *, progress: Callable[[float], None] | None = None
) -> dict[int, Reader]:
    """Every operation that reads a group that can be cut, by its index, with its Gram matrix over the pictures."""
    graph = groups.graph
    units: dict[int, tuple[Linear, Ids]] = {}
    free = np.isin(groups.owner, [group.index for group in groups.free])
    for member in groups.slices:
        found = linear(graph, graph.ops[member.op])
        if member.role == "reads" and found is not None and free[member.channels].any():
            each = found.features(member.channels)
            if len(each) <= LARGEST:
                units[member.op] = found, each
    inside = Inside(graph, [item.data for item, _ in units.values()])
    grams = {op: np.zeros((item.parts, len(each) + 1, len(each) + 1)) for op, (item, each) in units.items()}
    rows = {op: _rows(len(each), item.total_rows, len(pictures)) for op, (item, each) in units.items()}
    where = {op: places(op, len(pictures), rows[op], item.total_rows) for op, (item, _) in units.items()}
    for done, picture in enumerate(pictures, start=1):
        for (op, (item, _)), data in zip(units.items(), inside(picture), strict=True):
            grams[op] += gram(_with_ones(item.rows(data, next(where[op])), item)) / (rows[op] * len(pictures))
        if progress is not None:
            progress(done / len(pictures))
    return {op: Reader(item, each, grams[op], rows[op] * len(pictures)) for op, (item, each) in units.items()}


def order_of(group: Group, readers: Mapping[int, Reader]) -> Order:
    """Greedy removal, the unit first that all readers together can spare best; each is refitted after every step."""
    mine = [_Removal(r, group.units) for op, r in readers.items() if np.isin(r.units, group.units).any()]
    left = np.ones(group.size, bool)
    gone, errors = [], [0.0]
    for step in range(group.size):
        scores = np.where(group.can_go(left), sum((removal.scores() for removal in mine), np.zeros(group.size)), np.inf)
        worst = int(np.argmin(scores))
        left[worst] = False
        gone.append(worst)
        errors.append(errors[-1] + max(float(scores[worst]), 0.0))
        for removal in mine:
            removal.remove(worst)
            if step % COMPACT_EVERY == COMPACT_EVERY - 1:
                removal.compact()
    return Order(group.units[np.array(gone, np.int64)], np.array(errors))


def magnitude_order(groups: Groups, group: Group) -> Order:
    """The plain way: by the absolute sum of the weights that make and read a channel, each relative to the mean."""
    score = np.zeros(group.size)
    for member in group.members:
        op = groups.graph.ops[member.op]
        weights = groups.graph.constant(groups.graph.tensors[op.inputs[member.operand]])
        if weights.ndim > 1 and member.role == "makes":
            sums = np.abs(np.moveaxis(weights, member.axis, 0)).reshape(len(member.channels), -1).sum(1)
            hit = member.channels[:, None] == group.units
            score += (sums @ hit) / sums.mean()
    left = np.ones(group.size, bool)
    gone = []
    for _ in range(group.size):
        gone.append(int(np.argmin(np.where(group.can_go(left), score, np.inf))))
        left[gone[-1]] = False
    return Order(group.units[np.array(gone, np.int64)], np.zeros(group.size + 1))


def refitted(reader: Reader, kept: Kept, made: Kept) -> dict[Operand, Array]:
    """Weights and bias of a reader that make the best of the inputs that stay: least squares in closed form.

    Args:
        reader: the operation. kept: (units,) bool. made: which of its output channels stay, (outputs,) bool.
    """
    stay = np.append(kept[reader.units], True)
    damped = reader.damped
    solved = np.linalg.solve(damped[:, stay][:, :, stay], damped[:, stay] @ reader.target)
    return parted(reader.linear, solved, made)


def parted(item: Linear, solved: NDArray[Any], made: Kept) -> dict[Operand, Array]:
    """A solution (parts, F + 1, O), bias as last row, as operands, for the output channels that stay."""
    columns = made[item.outputs]
    parts = columns.any(1)
    columns_left = int(columns.sum()) // max(int(parts.sum()), 1)
    chosen = solved.transpose(0, 2, 1)[columns].reshape(int(parts.sum()), columns_left, -1).transpose(0, 2, 1)
    found = {(item.op, 1): item.stored(chosen[:, :-1])}
    if item.has_bias_row:
        found[item.op, item.bias_operand] = np.ascontiguousarray(chosen[:, -1].reshape(-1), np.float32)
    return found


def gram(rows: NDArray[np.float32]) -> NDArray[np.float64]:
    """X^T X of each part: (parts, F, F)."""
    return np.asarray(rows.transpose(0, 2, 1) @ rows, np.float64)


def _with_ones(rows: NDArray[np.float32], item: Linear) -> NDArray[np.float32]:
    ones = np.full((*rows.shape[:2], 1), float(item.has_bias_row), np.float32)
    return np.concatenate([rows, ones], axis=2)


def _rows(features: int, total: int, pictures: int) -> int:
    """Rows a picture: eight a feature over all pictures, at least 64."""
    return min(total, max(64, -(-8 * features // pictures)))


class _Removal:
    """One reader while units are taken from it: inverse Gram matrix, weights, and where each unit's features are."""

    def __init__(self, reader: Reader, units: Ids) -> None:
        self.weights = reader.target
        self.inverse = np.linalg.inv(reader.damped)
        self.power = reader.power
        position = {unit: place for place, unit in enumerate(units.tolist())}
        self.place = np.array([position.get(unit, -1) for unit in [*reader.units.tolist(), -1]], np.int64)
        self.count = len(units)
        self._index()

    def _index(self) -> None:
        """Features by unit, (units present, features each); every unit of a reader has equally many."""
        order = np.argsort(self.place, kind="stable")
        order = order[self.place[order] >= 0]
        self.present, counts = np.unique(self.place[order], return_counts=True)
        self.blocks = order.reshape(len(self.present), -1) if len(set(counts.tolist())) == 1 else None
        self.ragged = np.split(order, np.cumsum(counts)[:-1])

    def scores(self) -> NDArray[np.float64]:
        """By how much each unit's going raises this reader's relative error, (units,); 0 for those it does not read."""
        found = np.zeros(self.count)
        if not len(self.present):
            return found
        if self.blocks is None:
            found[self.present] = [self._score(block[None])[0] for block in self.ragged]
        else:
            found[self.present] = self._score(self.blocks)
        return found / self.power

    def _score(self, blocks: Ids) -> NDArray[np.float64]:
        weights = self.weights[:, blocks]  # (parts, units, k, O)
        if blocks.shape[1] == 1:
            diagonal = np.einsum("pff->pf", self.inverse)[:, blocks[:, 0]]
            return np.asarray((np.square(weights[:, :, 0]).sum(2) / diagonal).sum(0))
        inner = self.inverse[:, blocks[:, :, None], blocks[:, None, :]]
        return np.asarray((weights * np.linalg.solve(inner, weights)).sum((0, 2, 3)))

    def remove(self, place: int) -> None:
        """Take a unit away and let the rest make up for it."""
        found = np.flatnonzero(self.present == place)
        if not len(found):
            return
        block = self.ragged[int(found[0])]
        lines = self.inverse[:, :, block]
        inner = self.inverse[:, block][:, :, block]
        self.weights -= lines @ np.linalg.solve(inner, self.weights[:, block])
        self.inverse -= lines @ np.linalg.solve(inner, self.inverse[:, block])
        self.place[block] = -2  # gone
        where = np.arange(len(self.present)) != found[0]
        self.present = self.present[where]
        self.blocks = None if self.blocks is None else self.blocks[where]
        del self.ragged[int(found[0])]

    def compact(self) -> None:
        """Forget the features that are gone."""
        stay = self.place != -2
        self.place, self.weights = self.place[stay], self.weights[:, stay]
        self.inverse = np.ascontiguousarray(self.inverse[:, stay][:, :, stay])
        self._index()
