"""How a student is trained."""

from dataclasses import dataclass, field
from typing import Any

from relens.compress.heal.batches import Augmentation


@dataclass(frozen=True)
class HealSettings:
    """Everything that decides the result of a training, with the pictures and the two graphs.

    epochs: turns over all pictures; early stop may end it before.
    batch: pictures a step.
    learning_rate: of Adam, at its peak; it rises for the first twentieth and then falls like a cosine.
    temperature: of class scores in distillation.
    feature_weight: how much the features right before each output count; 0 leaves them out.
    label_share: how much true labels count beside the teacher, 0..1; 1 trains without a teacher.
    normalize: put batch normalization back while training.
    average: share of an epoch over which the weights are averaged, with weights that fade towards its beginning; it
        ends with the average, and the next one begins there (Polyak & Juditsky 1992; as a new start: Lookahead, Zhang
        et al. 2019). 0 takes the weights as they are.
    hold_out, hold_out_most: share of the pictures that are judged by and never trained on, and their largest number.
    patience: epochs without a better judgement before it stops.
    """

    epochs: int = 30
    batch: int = 32
    learning_rate: float = 2e-3
    temperature: float = 3.0
    feature_weight: float = 1.0
    label_share: float = 0.0
    normalize: bool = True
    average: float = 0.0
    hold_out: float = 0.1
    hold_out_most: int = 200
    patience: int = 15
    seed: int = 0
    augmentation: Augmentation = field(default_factory=Augmentation)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "augmentation": dict(vars(self.augmentation))}
