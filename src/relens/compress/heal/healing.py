"""Healing: a changed graph learns to answer as the original does."""

from dataclasses import dataclass, field
from pathlib import Path

from relens.compress.heal.loop import Epoch, Pictures, Watch, train
from relens.compress.heal.normal import normalized
from relens.compress.heal.settings import HealSettings
from relens.graph import Graph
from relens.lift import Kept, lift, listed, lower


@dataclass(frozen=True)
class Healed:
    """A healed student.

    before, after: the loss on held-out pictures, in front of the training and of the best epoch.
    kept: operations that cannot be trained; the parts before and after them are.
    """

    graph: Graph
    before: float
    after: float
    epochs: tuple[Epoch, ...] = field(repr=False)
    kept: tuple[Kept, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        said = f"held-out loss {self.before:.4f} -> {self.after:.4f} in {len(self.epochs)} epochs"
        return f"{said}; kept as they are: {listed(self.kept)}" if self.kept else said


def heal(
    teacher: Graph,
    student: Graph,
    pictures: Pictures,
    settings: HealSettings | None = None,
    *,
    checkpoint: Path | None = None,
    progress: Watch | None = None,
) -> Healed:
    """Train a float student to answer as its teacher; labels are not needed. See `loop.train`.

    Raises:
        BadModel: RL-LIFT-001, -002, -003.
    """
    settings = settings or HealSettings()
    dress = normalized if settings.normalize else lambda graph, batches: lift(graph)
    made = train(teacher, student, pictures, settings, dress, checkpoint=checkpoint, progress=progress)
    return Healed(lower(made.lifted, onto=student), made.before, made.after, made.epochs, made.lifted.kept)
