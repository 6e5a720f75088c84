"""What each step of a recipe does to the graph before it: one function a step, Graph -> Graph and what to say of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from relens.graph import Graph
from relens.pipeline.cache import Cache
from relens.pipeline.progress import Progress
from relens.quantize import Samples
from relens.spec import ChannelsStep, DistilStep, HealStep, InputSpec, LayersStep, QatStep, RepairStep
from relens.vision import Frames

Made: TypeAlias = tuple[Graph, dict[str, Any]]
"""The graph, and `lines`: what was done, for the lineage."""


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


def distil(step: DistilStep, graph: Graph, kitchen: Kitchen) -> Made:
    """Another model, or one derived from the graph, learns the original's answers."""
    from relens.compress.distil import DISTIL_SETTINGS, derived, distil
    from relens.sources import import_model

    if step.student is not None:
        student, name = import_model(step.student).graph, step.student.name
    else:
        student = derived(graph, kitchen.frames, kitchen.input, width=step.width, depth=step.depth)
        name = f"width {step.width:.2f}, depth {step.depth:.2f}"
    made = distil(
        kitchen.original,
        student,
        _pictures(kitchen),
        replace(DISTIL_SETTINGS, **_training(step)),
        checkpoint=kitchen.cache.folder / f"distil-{student.sha256[:16]}.npz",
        progress=partial(_told, kitchen.progress),
    )
    line = (
        f"distil({name}; {made.method}: held-out loss plain {made.plain.after:.3f}, features {made.features.after:.3f})"
    )
    return made.graph, {"lines": [line, *_untrained(made.plain.kept)]}


def layers(step: LayersStep, graph: Graph, kitchen: Kitchen) -> Made:
    """Blocks go."""
    from relens.compress.layers import PICTURES, remove_layers

    made = remove_layers(
        graph,
        kitchen.frames.spread(PICTURES),
        kitchen.input,
        macs_share=step.macs_share,
        engines=kitchen.engines,
        progress=kitchen.progress.advance,
    )
    line = f"layers({len(made.removed)} blocks gone, {made.macs_share:.0%} of the MACs left)"
    return made.graph, {"lines": [line]}


def channels(step: ChannelsStep, graph: Graph, kitchen: Kitchen) -> Made:
    """Channels go."""
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
    return made.graph, {"lines": [f"channels({made.plan.speedup:.2f}x)"]}


def heal(step: HealStep, graph: Graph, kitchen: Kitchen) -> Made:
    """Training towards the original's answers."""
    from relens.compress.heal import HealSettings, heal

    made = heal(
        kitchen.original,
        graph,
        _pictures(kitchen),
        HealSettings(**_training(step)),
        checkpoint=kitchen.cache.folder / f"heal-{graph.sha256[:16]}.npz",
        progress=partial(_told, kitchen.progress),
    )
    line = f"heal({len(made.epochs)} epochs, {made.before:.3f} -> {made.after:.3f})"
    return made.graph, {"lines": [line, *_untrained(made.kept)]}


def repair(step: RepairStep, graph: Graph, kitchen: Kitchen) -> Made:
    """An integer file without training."""
    from relens.compress.repair import repair

    made = repair(
        graph,
        kitchen.samples,
        weight_bits=step.bits,
        most_float=step.most_float,
        progress=kitchen.progress.advance,
    )
    return made.candidate.graph, {"lines": list(made.candidate.recipe)}


def qat(step: QatStep, graph: Graph, kitchen: Kitchen) -> Made:
    """An integer file, trained with its roundings from where cheap repair ends."""
    from relens.compress.qat import default_settings, quantization_aware
    from relens.compress.repair import repair

    start = repair(graph, kitchen.samples, weight_bits=step.bits, most_float=step.most_float)
    made = quantization_aware(
        kitchen.original,
        start.graph,
        _pictures(kitchen),
        kitchen.samples[:1],  # one is enough: `repair` has looked at all and names every range
        bits=step.bits,
        ranges=start.ranges,
        keep_float=start.keep_float,
        settings=replace(default_settings(step.bits), **_training(step)),
        checkpoint=kitchen.cache.folder / f"qat-{graph.sha256[:16]}.npz",
        progress=partial(_told, kitchen.progress),
    )
    return made.candidate.graph, {"lines": [*start.steps, *made.candidate.recipe, *_untrained(made.lifted.kept)]}


def _pictures(kitchen: Kitchen) -> Any:
    from relens.compress.heal import Pictures

    return Pictures(kitchen.frames, kitchen.input, held=kitchen.held)


def _training(step: DistilStep | HealStep | QatStep) -> dict[str, Any]:
    given = {"epochs": step.epochs, "batch": step.batch, "learning_rate": step.learning_rate}
    return {name: value for name, value in given.items() if value is not None}


def _untrained(kept: Sequence[Any]) -> list[str]:
    """The operations that training left as they are."""
    from relens.lift import listed

    return [f"untrained({listed(kept)})"] if kept else []


def _told(progress: Progress, moment: Any) -> None:
    left = (
        f"{moment.seconds_left / 60:.0f} min left" if moment.seconds_left > 90 else f"{moment.seconds_left:.0f} s left"
    )
    progress.advance(moment.fraction, f"epoch {moment.epoch + 1} of {moment.epochs}, {left}")


MAKERS: dict[str, Callable[[Any, Graph, Kitchen], Made]] = {
    "distil": distil,
    "layers": layers,
    "channels": channels,
    "heal": heal,
    "repair": repair,
    "qat": qat,
}
"""By a step's name in `[recipe]`."""
