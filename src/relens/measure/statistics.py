"""Intervals for proportions, plain and paired. Pure."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Z95 = 1.959963984540054


@dataclass(frozen=True)
class Interval:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def wilson(hits: int, n: int) -> Interval:
    """Score interval of a proportion (Wilson, JASA 1927): honest also at 0 and at 1."""
    p, z2 = hits / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half))


def paired_difference(reference: NDArray[np.bool_], candidate: NDArray[np.bool_]) -> Interval:
    """`reference - candidate` of two proportions over the same pictures, (n,) bool each.

    Wald interval after adding half a case to each cell of the 2x2 table (Agresti & Min, Statistics in Medicine
    2005), so that two models that never differ still get a width.
    """
    n = len(reference)
    lost = int(np.sum(reference & ~candidate))
    won = int(np.sum(~reference & candidate))
    b, c, total = lost + 0.5, won + 0.5, n + 2
    centre = (b - c) / total
    half = Z95 * math.sqrt((b + c) - (b - c) ** 2 / total) / total
    value = (lost - won) / n
    return Interval(value, min(value, centre - half), max(value, centre + half))


def mean_interval(values: NDArray[np.float64]) -> Interval:
    """Normal interval of a mean, (n,) values."""
    value = float(values.mean())
    half = Z95 * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
    return Interval(value, value - half, value + half)


def percentile_interval(value: float, samples: NDArray[np.float64], n: int, least: float = -1.0) -> Interval:
    """Bootstrap percentile interval (Efron 1979) from resampled values of `n` pictures.

    Resamples that all agree prove no certainty: then the rule of three (Hanley & Lippman-Hand, JAMA 1983) gives the
    width, 3 / n on either side, within `least`..1.
    """
    low, high = np.percentile(samples, [2.5, 97.5])
    if low == high:
        low, high = max(least, value - 3 / n), min(1.0, value + 3 / n)
    return Interval(value, float(min(low, value)), float(max(high, value)))
