"""A candidate's score on a set of pictures, and its paired distance from the float model's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relens.measure.statistics import Interval, mean_interval, paired_difference, percentile_interval
from relens.vision import Prediction


@dataclass(frozen=True)
class Score:
    """`interval` of `metric` over `n` pictures, fractions 0..1, higher is better.

    also: further metrics of the same run. outcomes: what pairing needs: one value a picture, or one value a
    bootstrap resample (the same resamples for every candidate).
    """

    metric: str
    interval: Interval
    n: int
    also: dict[str, float]
    outcomes: NDArray[np.float64] = field(repr=False)
    pairing: str = "proportion"

    def drop_from(self, reference: "Score") -> Interval:
        """How much lower this is than `reference`, on the same pictures."""
        if self.pairing == "proportion":
            return paired_difference(reference.outcomes > 0.5, self.outcomes > 0.5)
        if self.pairing == "mean":
            return mean_interval(reference.outcomes - self.outcomes)
        drop = reference.interval.value - self.interval.value
        return percentile_interval(drop, reference.outcomes - self.outcomes, self.n)


class Metric(Protocol):
    """Scores predictions, one a picture, in the validation pictures' order."""

    name: str

    def score(self, predictions: Sequence[Prediction]) -> Score:
        """Score one candidate."""
        ...
