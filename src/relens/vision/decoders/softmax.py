"""Classification: one score a class."""

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from relens.graph import Tensor
from relens.spec import Strict, Task
from relens.vision.decoders import misfit
from relens.vision.placement import Placement
from relens.vision.prediction import Classes


class SoftmaxConfig(Strict):
    """activation: what is still to be applied to the output; most exported models end in their own softmax."""

    activation: Literal["none", "softmax", "sigmoid"] = "none"


class Softmax:
    """Reads one output (1, C) of class scores."""

    Config: ClassVar[type[Strict]] = SoftmaxConfig
    task: ClassVar[Task] = "classification"

    def __init__(self, config: SoftmaxConfig, outputs: Sequence[Tensor], input_size: tuple[int, int]) -> None:
        if len(outputs) != 1 or int(np.prod(outputs[0].shape)) != outputs[0].shape[-1]:
            raise misfit("softmax", "one output of shape (1, classes)", outputs)
        self.config = config
        self.output = outputs[0].name

    def decode(self, outputs: Mapping[str, NDArray[np.float32]], placement: Placement) -> Classes:
        """Scores (C,), of the whole frame whatever its placement."""
        scores = outputs[self.output].reshape(-1)
        if self.config.activation == "softmax":
            exponential = np.exp(scores - scores.max())
            return Classes(np.asarray(exponential / exponential.sum(), np.float32))
        if self.config.activation == "sigmoid":
            return Classes(np.asarray(1 / (1 + np.exp(-scores)), np.float32))
        return Classes(np.asarray(scores, np.float32))
