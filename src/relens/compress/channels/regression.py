"""Ridge regression of one operation towards its present weights, its strength chosen on rows that it did not see."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relens.compress.activations import Array
from relens.compress.channels.importance import parted
from relens.compress.channels.linear import Linear
from relens.graph.edit import Operand

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Strengths to choose from, relative to the mean square of the inputs."""
UNSEEN = 4  # every fourth batch of pictures chooses the strength


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


class Sums:
    """Running sums of a regression on what the present weights leave over: X^T X, X^T R and |R|^2."""

    def __init__(self, present: NDArray[np.float64]) -> None:
        parts, features, _ = present.shape
        self.xx = np.zeros((parts, features, features))
        self.xr = np.zeros_like(present)
        self.rr = 0.0

    def add(self, x: Array, rest: Array) -> None:
        """Take in rows: x (parts, rows, F + 1), rest (parts, rows, O)."""
        turned = x.transpose(0, 2, 1)
        self.xx += turned @ x
        self.xr += turned @ rest
        self.rr += float(np.square(rest).sum())

    def joined(self, other: "Sums") -> "Sums":
        """Both together."""
        both = Sums(self.xr)
        both.xx, both.xr, both.rr = self.xx + other.xx, self.xr + other.xr, self.rr + other.rr
        return both

    def error(self, change: NDArray[np.float64]) -> float:
        """|R - X change|^2."""
        return float(self.rr - 2 * (change * self.xr).sum() + (change * (self.xx @ change)).sum())

    def change(self, ridge: float) -> NDArray[np.float64]:
        """What to add to the weights, (parts, F + 1, O); the bias is free."""
        each = np.einsum("pff->pf", self.xx)[:, :-1].mean(1) * ridge + 1e-9
        damping = each[:, None, None] * np.eye(self.xx.shape[1])
        damping[:, -1, -1] = 1e-9
        return np.asarray(np.linalg.solve(self.xx + damping, self.xr))


def solved(
    item: Linear, present: NDArray[np.float64], sums: tuple[Sums, Sums], variance: float
) -> tuple[Mapping[Operand, Array], Repaired]:
    """The weights that do best on what they did not see, or none where the present ones do."""
    fit, unseen = sums
    tries = {ridge: unseen.error(fit.change(ridge)) for ridge in RIDGES}
    best = min(tries, key=lambda ridge: tries[ridge])
    scale = UNSEEN / variance
    if tries[best] >= unseen.rr:
        return {}, Repaired(item.op, unseen.rr * scale, unseen.rr * scale, 0.0)
    change = fit.joined(unseen).change(best)
    report = Repaired(item.op, unseen.rr * scale, tries[best] * scale, best)
    return parted(item, present + change, np.ones(len(item.bias), bool)), report
