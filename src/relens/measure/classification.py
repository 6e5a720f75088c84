"""Top-1 accuracy against labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relens.errors import BadData
from relens.measure.score import Score
from relens.measure.statistics import wilson
from relens.vision import Classes, Prediction


class Top1:
    """The share of pictures whose best class is the labelled one. truth: (n,) class indices."""

    name = "top-1"

    def __init__(self, truth: NDArray[np.int64]) -> None:
        self.truth = truth

    def score(self, predictions: Sequence[Prediction]) -> Score:
        """Score one candidate; the interval is Wilson's."""
        best = best_classes(predictions)
        most = int(self.truth.max())
        width = len(predictions[0].scores) if isinstance(predictions[0], Classes) else 0
        if most >= width:
            raise BadData(
                "RL-DATA-004",
                f"the labels go up to class {most}, and the model has {width} classes",
                hint="correct `labels`, or the validation file",
            )
        right = best == self.truth
        return Score(self.name, wilson(int(right.sum()), len(right)), len(right), {}, right.astype(np.float64))


def best_classes(predictions: Sequence[Prediction]) -> NDArray[np.int64]:
    """The index of the best class of each prediction."""
    found = [item.top(1)[0][0] for item in predictions if isinstance(item, Classes)]
    if len(found) != len(predictions):
        raise BadData(
            "RL-DATA-004",
            "the labels name one class a picture, and the model's decoder gives something else",
            hint='labels of boxes stand in a COCO instances.json; classes go with decoder = "softmax"',
        )
    return np.array(found, np.int64)
