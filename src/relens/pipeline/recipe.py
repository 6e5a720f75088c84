"""Follow a recipe: from the float graph, step by step, each result kept under what it was made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from relens.errors import BadConfig, BadData
from relens.graph import Graph
from relens.pipeline.steps import MAKERS, Kitchen, Made
from relens.quantize import Candidate
from relens.sources import content_sha256
from relens.spec import ChannelsStep, DistilStep, HealStep, LayersStep, Project, QatStep, RepairStep, Step
from relens.spec.recipe import LAST
from relens.vision import Frames, frames_from
from relens.vision.frames import held_out

HELD_LEAST, HELD_MOST = 8, 200


@dataclass(frozen=True)
class Stage:
    """A graph on its way. steps: what was done to the original, one line each; label: the steps' names."""

    graph: Graph
    steps: tuple[str, ...] = ()
    label: str = ""


@dataclass(frozen=True)
class Followed:
    """What a recipe made: the stages in order, the unchanged graph first, and an integer candidate if it ends so."""

    stages: tuple[Stage, ...]
    trained: Candidate | None = None


def follow(steps: Sequence[Step], kitchen: Kitchen) -> Followed:
    """Take the steps one by one; a step already taken on the same things is not taken again.

    Raises:
        BadModel: as the step's own errors say.
    """
    stages = [Stage(kitchen.original)]
    for step in steps:
        kitchen.progress.stage(f"recipe: {step.step}")
        before = stages[-1]
        graph, facts = _kept(step, before, kitchen)
        lines = (*before.steps, *facts["lines"])
        label = f"{before.label}+{step.step}" if before.label else step.step
        if step.step in LAST:
            made = Candidate(graph, "int8", lines, kitchen.original.sha256, kitchen.calibration_sha256, label)
            return Followed(tuple(stages), made)
        stages.append(Stage(graph, lines, label))
    return Followed(tuple(stages))


def training_frames(project: Project) -> tuple[Frames, Frames]:
    """The pictures that steps look at, and those held out of every step: of `[data] train`, else of `calibration`.

    Raises:
        BadConfig: RL-CONFIG-003 when there are none.
        BadData: RL-DATA-001 when there are too few to learn from.
    """
    source = project.data.train or project.data.calibration
    if source is None:
        raise BadConfig(
            "RL-CONFIG-003",
            f"{project.path}: the steps of [recipe] need pictures",
            hint="set `train` in [data] to a folder of pictures like the camera's; labels are not needed",
        )
    frames = frames_from(source)
    if len(frames) < 16:
        raise BadData(
            "RL-DATA-001",
            f"{source} holds {len(frames)} pictures, and the steps of [recipe] learn from at least 16",
            hint="set `train` in [data] to more pictures; some hundreds are a good start",
        )
    count = min(HELD_MOST, max(HELD_LEAST, len(frames) // 10))
    learned, held = held_out(len(frames), count, seed=0)
    return frames.chosen(learned), frames.chosen(held)


def _kept(step: Step, before: Stage, kitchen: Kitchen) -> Made:
    taken: list[bool] = []

    def take() -> Made:
        taken.append(True)
        return MAKERS[step.step](step, before.graph, kitchen)

    found = kitchen.cache.graph(_key(step, before, kitchen), take)
    if not taken:
        kitchen.progress.advance(1.0, "kept from before: same graph, pictures and settings")
    return found


def _key(step: Step, before: Stage, kitchen: Kitchen) -> dict[str, Any]:
    """Everything that a step's result depends on."""
    key: dict[str, Any] = {
        "step": step.model_dump(mode="json", exclude={"student"}),
        "graph": before.graph.sha256,
        "original": kitchen.original.sha256,
        "pictures": kitchen.frames.sha256,
        "input": kitchen.input.model_dump(mode="json"),
    }
    if isinstance(step, ChannelsStep | LayersStep | DistilStep):
        key["engines"] = list(kitchen.engines)
    if isinstance(step, DistilStep | HealStep | QatStep):
        key |= {"keras": version("keras"), "held": kitchen.held.sha256}
    if isinstance(step, QatStep | RepairStep):
        key["samples"] = kitchen.calibration_sha256
    if isinstance(step, DistilStep) and step.student is not None:
        key["student"] = [step.student.name, content_sha256(step.student)]  # wherever it lies
    return key
