"""Which box belongs to which track."""

import numpy as np
from numpy.typing import NDArray


def overlaps(ones: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of boxes (N, 4) with others (M, 4), all x1 y1 x2 y2: (N, M)."""
    corner = np.maximum(ones[:, None, :2], others[None, :, :2])
    opposite = np.minimum(ones[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.clip(opposite - corner, 0, None), axis=2)
    area = np.prod(ones[:, 2:] - ones[:, :2], axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return np.asarray(common / np.maximum(area[:, None] + areas[None, :] - common, 1e-9))


def match(likeness: NDArray[np.float64], least: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of row and column, the most alike first, none less alike than `least`; each row and column once.

    Greedy: in crowds of 2 to 30 things, an optimal assignment (the Hungarian method) keeps ids no better, and joins
    strangers a little more often, as it gives up a perfect pair for two poor ones.
    """
    rows, columns = np.nonzero(likeness >= least)
    order = np.argsort(-likeness[rows, columns], kind="stable")
    free_rows, free_columns = set(rows.tolist()), set(columns.tolist())
    pairs: list[tuple[int, int]] = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if row in free_rows and column in free_columns:
            free_rows.remove(row)
            free_columns.remove(column)
            pairs.append((row, column))
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
