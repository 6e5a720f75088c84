"""Without labels: how far a candidate says what the float model says."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relens.errors import BadData
from relens.measure.classification import Top1, best_classes
from relens.measure.detection import BoxAP, BoxTruth
from relens.measure.score import Metric, Score
from relens.measure.statistics import mean_interval
from relens.vision import Detections, Prediction, Tensors


class Similarity:
    """Mean cosine similarity of all outputs with the float model's, for tensors of unknown meaning."""

    name = "agreement (cosine)"

    def __init__(self, reference: Sequence[Tensors]) -> None:
        self.reference = reference

    def score(self, predictions: Sequence[Prediction]) -> Score:
        """Score one candidate: the worst output of each picture, averaged."""
        pairs = zip(self.reference, predictions, strict=True)
        worst = np.array([_worst(ours, theirs) for ours, theirs in pairs if isinstance(theirs, Tensors)])
        return Score(self.name, mean_interval(worst), len(worst), {}, worst, "mean")


def agreement_with(reference: Sequence[Prediction]) -> Metric:
    """The metric that takes the float model's predictions, at the threshold it is shown with, as the truth.

    Raises:
        BadData: RL-DATA-004 when the float model detects nothing in any picture.
    """
    first = reference[0]
    if isinstance(first, Detections):
        seen = [item for item in reference if isinstance(item, Detections)]
        if not any(len(item) for item in seen):
            raise BadData(
                "RL-DATA-004",
                f"the float model detects nothing in any of {len(seen)} pictures",
                hint="use pictures with objects in them, or correct `[input]` and `[output]`",
            )
        return BoxAP([BoxTruth.of(item) for item in seen], "AP50", "agreement (AP50)")
    if isinstance(first, Tensors):
        return Similarity([item for item in reference if isinstance(item, Tensors)])
    same = Top1(best_classes(reference))
    same.name = "agreement (top-1)"
    return same


def _worst(reference: Tensors, candidate: Tensors) -> float:
    return min(_cosine(reference.values[name], candidate.values[name]) for name in reference.values)


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    x, y = a.ravel().astype(np.float64), b.ravel().astype(np.float64)
    norms = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norms if norms else float(not x.any() and not y.any())
