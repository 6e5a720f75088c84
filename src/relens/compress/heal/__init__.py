"""The one training loop: original as teacher, transformed graph as student, unlabelled pictures."""

from relens.compress.heal.batches import Augmentation
from relens.compress.heal.healing import Healed, heal
from relens.compress.heal.loop import Epoch, Moment, Pictures, Trained, Watch, train
from relens.compress.heal.settings import HealSettings

__all__ = ["Augmentation", "Epoch", "HealSettings", "Healed", "Moment", "Pictures", "Trained", "Watch", "heal", "train"]
