"""The one training loop: original as teacher, transformed graph as student, unlabelled pictures."""

from relens.compress.heal.batches import Augmentation
from relens.compress.heal.loop import Epoch, Healed, Moment, Pictures, heal
from relens.compress.heal.settings import HealSettings

__all__ = ["Augmentation", "Epoch", "HealSettings", "Healed", "Moment", "Pictures", "heal"]
