"""Follow a recipe: from the float graph, step by step, each result kept under what it was made of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from typing import Any

from relens.errors import BadConfig, BadData
from relens.graph import Graph
from relens.pipeline.cache import Cache
from relens.pipeline.progress import Progress
from relens.quantize import Candidate, Samples
from relens.spec import ChannelsStep, HealStep, InputSpec, LayersStep, Project, QatStep, RepairStep, Step
from relens.vision import Frames, frames_from
from relens.vision.frames import held_out

LAYERS_PICTURES = 96
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


@dataclass(frozen=True)
class Kitchen:
    """What steps need besides the graph.

    original: the teacher. frames: pictures for the steps, labels unused. held: pictures that no step learns from, by
    which training judges itself. samples: for first integer ranges.
    """

    original: Graph
    frames: Frames
    held: Frames
    input: InputSpec
    engines: tuple[str, ...]
    samples: Samples
    calibration_sha256: str | None
    cache: Cache
    progress: Progress


def follow(steps: Sequence[Step], kitchen: Kitchen) -> Followed:
    """Take the steps one by one; a step already taken on the same things is not taken again.

    Raises:
        BadModel: as the step's own errors say.
    """
    stages = [Stage(kitchen.original)]
    for step in steps:
        kitchen.progress.stage(f"recipe: {step.step}")
        before = stages[-1]
        if isinstance(step, QatStep | RepairStep):
            return Followed(tuple(stages), _integer(step, before, kitchen))
        graph, facts = _kept(step, before, kitchen, partial(_MAKERS[step.step], step, before.graph, kitchen))
        stages.append(
            Stage(graph, (*before.steps, facts["line"]), f"{before.label}+{step.step}" if before.label else step.step)
        )
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


def _kept(step: Step, before: Stage, kitchen: Kitchen, make: Callable[[], tuple[Graph, dict[str, Any]]]) -> Any:
    made: list[bool] = []

    def fresh() -> tuple[Graph, dict[str, Any]]:
        made.append(True)
        return make()

    found = kitchen.cache.graph(_key(step, before, kitchen), fresh)
    if not made:
        kitchen.progress.advance(1.0, "kept from before: same graph, pictures and settings")
    return found


def _key(step: Step, before: Stage, kitchen: Kitchen) -> dict[str, Any]:
    """Everything that a step's result depends on."""
    key: dict[str, Any] = {
        "step": step.model_dump(mode="json"),
        "graph": before.graph.sha256,
        "original": kitchen.original.sha256,
        "pictures": kitchen.frames.sha256,
        "input": kitchen.input.model_dump(mode="json"),
    }
    if isinstance(step, ChannelsStep | LayersStep):
        key["engines"] = list(kitchen.engines)
    if isinstance(step, HealStep | QatStep):
        key |= {"keras": version("keras"), "held": kitchen.held.sha256}
    if isinstance(step, QatStep | RepairStep):
        key["samples"] = kitchen.calibration_sha256
    return key


def _layers(step: LayersStep, graph: Graph, kitchen: Kitchen) -> tuple[Graph, dict[str, Any]]:
    from relens.compress.layers import remove_layers

    made = remove_layers(
        graph,
        kitchen.frames.spread(LAYERS_PICTURES),
        kitchen.input,
        macs_share=step.macs_share,
        engines=kitchen.engines,
        progress=kitchen.progress.advance,
    )
    line = f"layers({len(made.removed)} blocks gone, {made.macs_share:.0%} of the MACs left)"
    return made.graph, {"line": line, "shown": repr(made)}


def _channels(step: ChannelsStep, graph: Graph, kitchen: Kitchen) -> tuple[Graph, dict[str, Any]]:
    from relens.compress.channels import cut_channels

    made = cut_channels(
        graph,
        kitchen.frames,
        kitchen.input,
        speedup=step.speedup,
        engines=kitchen.engines,
        teacher=kitchen.original,
        progress=lambda name, done: kitchen.progress.advance(done, name),
    )
    return made.graph, {"line": f"channels({made.plan.speedup:.2f}x)", "shown": repr(made)}


def _heal(step: HealStep, graph: Graph, kitchen: Kitchen) -> tuple[Graph, dict[str, Any]]:
    from relens.compress.heal import HealSettings, Pictures, heal

    settings = HealSettings(epochs=step.epochs, batch=step.batch, learning_rate=step.learning_rate)
    pictures = Pictures(kitchen.frames, kitchen.input, held=kitchen.held)
    watch = partial(_told, kitchen.progress)
    checkpoint = kitchen.cache.folder / f"heal-{graph.sha256[:16]}.npz"
    made = heal(kitchen.original, graph, pictures, settings, checkpoint=checkpoint, progress=watch)
    return made.graph, {"line": f"heal({len(made.epochs)} epochs, {made.before:.3f} -> {made.after:.3f})"}


def _integer(step: QatStep | RepairStep, before: Stage, kitchen: Kitchen) -> Candidate:
    """The integer candidate that a recipe ends with."""
    make = (
        partial(_qat, step, before, kitchen) if isinstance(step, QatStep) else partial(_repair, step, before, kitchen)
    )
    graph, facts = _kept(step, before, kitchen, make)
    return Candidate(
        graph,
        "int8",
        (*before.steps, *facts["recipe"]),
        kitchen.original.sha256,
        kitchen.calibration_sha256,
        f"{before.label}+{step.step}" if before.label else step.step,
    )


def _repair(step: RepairStep, before: Stage, kitchen: Kitchen) -> tuple[Graph, dict[str, Any]]:
    from relens.compress.repair import repair

    made = repair(
        before.graph,
        kitchen.samples,
        weight_bits=step.bits,
        most_float=step.most_float,
        progress=kitchen.progress.advance,
    )
    return made.candidate.graph, {"recipe": list(made.candidate.recipe)}


def _qat(step: QatStep, before: Stage, kitchen: Kitchen) -> tuple[Graph, dict[str, Any]]:
    from relens.compress.heal import Pictures
    from relens.compress.qat import QAT_SETTINGS, quantization_aware

    made = quantization_aware(
        kitchen.original,
        before.graph,
        Pictures(kitchen.frames, kitchen.input, held=kitchen.held),
        kitchen.samples,
        bits=step.bits,
        settings=replace(QAT_SETTINGS, epochs=step.epochs, batch=step.batch, learning_rate=step.learning_rate),
        checkpoint=kitchen.cache.folder / f"qat-{before.graph.sha256[:16]}.npz",
        progress=partial(_told, kitchen.progress),
    )
    return made.candidate.graph, {"recipe": list(made.candidate.recipe)}


def _told(progress: Progress, moment: Any) -> None:
    left = (
        f"{moment.seconds_left / 60:.0f} min left" if moment.seconds_left > 90 else f"{moment.seconds_left:.0f} s left"
    )
    progress.advance(moment.fraction, f"epoch {moment.epoch + 1} of {moment.epochs}, {left}")


_MAKERS: dict[str, Callable[..., tuple[Graph, dict[str, Any]]]] = {
    "layers": _layers,
    "channels": _channels,
    "heal": _heal,
}
