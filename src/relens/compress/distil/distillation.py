"""A student of any architecture learns the teacher's answers: plain, and with inner features, side by side."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from relens.compress.heal import Healed, HealSettings, Pictures, Watch, heal
from relens.graph import Graph

DISTIL_SETTINGS = HealSettings(epochs=60, learning_rate=2e-3)
"""A student that starts from nothing needs patience (Beyer et al. 2022)."""


@dataclass(frozen=True, repr=False)
class Distilled:
    """What was learned, by plain distillation of the outputs and with features besides; `method` is the better one."""

    method: Literal["plain", "features"]
    plain: Healed
    features: Healed

    @property
    def graph(self) -> Graph:
        """The better student."""
        return self.plain.graph if self.method == "plain" else self.features.graph

    def __repr__(self) -> str:
        return f"Distilled({self.method})\n  plain     {self.plain}\n  features  {self.features}"


def distil(
    teacher: Graph,
    student: Graph,
    pictures: Pictures,
    settings: HealSettings = DISTIL_SETTINGS,
    *,
    checkpoint: Path | None = None,
    progress: Watch | None = None,
) -> Distilled:
    """Train a student twice, by plain distillation of the outputs (Hinton et al. 2015) and with the features in front
    of them besides (Romero et al. 2015), and keep the one whose answers to held-out pictures are nearer.

    Args:
        teacher: the original float graph.
        student: a float graph with the same inputs and outputs, whose weights may be random.
        pictures: what to train on; labels are not needed.
        settings: how; `feature_weight` counts for the second training.
        checkpoint: a file that a killed training goes on from; the second one stands beside it.
        progress: told after each step, of each training from its beginning.

    Raises:
        BadModel: RL-LIFT-001, -002, or -003 when the student has other inputs or outputs.
    """
    found = {}
    for method, weight in (("plain", 0.0), ("features", settings.feature_weight or 1.0)):
        place = checkpoint.with_suffix(f".{method}.npz") if checkpoint else None
        mine = replace(settings, feature_weight=weight)
        found[method] = heal(teacher, student, pictures, mine, checkpoint=place, progress=progress)
    better: Literal["plain", "features"] = "plain" if found["plain"].after <= found["features"].after else "features"
    return Distilled(better, found["plain"], found["features"])
