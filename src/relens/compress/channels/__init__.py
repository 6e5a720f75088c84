"""Fewer channels: structured pruning of a float graph by dependency groups, from data, for a measured speed-up.

    cut = cut_channels(graph, frames, input_spec, speedup=1.5)
    print(cut)            # what went where, what it saved, what it cost
    cut.graph.write(path)

No labels, no training: importance and repair are least squares on calibration pictures. Training the cut graph with
the original as teacher (`compress.heal`) comes after it; calling `cut_channels` again on its result cuts gradually.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from relens.compress.activations import prepared
from relens.compress.channels.cut import cut
from relens.compress.channels.groups import Group, Groups, groups_of
from relens.compress.channels.plan import Plan, compare, plan_of, reach, uniform
from relens.compress.channels.repair import repaired
from relens.compress.channels.study import Study, study
from relens.errors import BadConfig, BadModel
from relens.graph import Graph
from relens.spec import InputSpec
from relens.vision.frames import Frames

__all__ = ["ChannelCut", "Group", "Groups", "Plan", "Study", "cut_channels", "groups_of", "study_channels"]

PICTURES = 768
PICTURE_BYTES = 2**29
NO_FASTER = 1.02  # measured; less is nothing on a machine that does not repeat itself more closely

Progress = Callable[[str, float], None]
"""Told the stage ("study", "plan", "repair") and the fraction of it that is done, 0..1."""


@dataclass(frozen=True, repr=False)
class ChannelCut:
    """A graph with fewer channels.

    Attributes:
        graph: the cut and repaired graph; operation for operation that of the original.
        plan: what was cut where and what that saves.
        kept: for each group that was cut, the channels that stay, counted within the group.
        damage: how far its answers are from the original's on pictures that made no regression: KL in nats for
            class scores, else squared error relative to the variance; see `damage.Reference`.
        damage_unrepaired: the same of the graph that only lost its channels.
    """

    graph: Graph = field(compare=False)
    plan: Plan
    kept: Mapping[int, tuple[int, ...]]
    damage: float
    damage_unrepaired: float

    def __repr__(self) -> str:
        return f"{self.plan}\n  damage {self.damage_unrepaired:.4f} cut, {self.damage:.4f} repaired"


def study_channels(
    graph: Graph,
    frames: Frames,
    input_spec: InputSpec,
    *,
    pictures: int = PICTURES,
    teacher: Graph | None = None,
    progress: Progress | None = None,
) -> Study:
    """Look at a graph once, to call `cut_channels` with several targets; see there."""
    tell = progress or (lambda stage, done: None)
    size = max(graph.inputs[0].size_bytes, 1)
    chosen = frames.spread(min(pictures, max(PICTURE_BYTES // size, 64)))
    shuffled = np.random.default_rng(0).permutation(len(chosen))  # folders are often sorted by class
    tensors = prepared(graph, chosen, input_spec)
    found = study(
        graph,
        [tensors[i] for i in shuffled],
        teacher=_fitting(graph, teacher),
        progress=lambda done: tell("study", done),
    )
    if not found.groups.free:
        why = sorted({group.locked for group in found.groups.groups if group.locked})
        raise _refused(f"none of its {len(found.groups.groups)} groups of channels can be cut: {'; '.join(why[:3])}")
    return found


def cut_channels(
    graph: Graph,
    frames: Frames,
    input_spec: InputSpec,
    *,
    speedup: float | None = None,
    ratio: float | None = None,
    widths: Mapping[int, int] | None = None,
    engines: Sequence[str] = ("litert",),
    pictures: int = PICTURES,
    teacher: Graph | None = None,
    prior: Study | None = None,
    progress: Progress | None = None,
) -> ChannelCut:
    """Take channels out of a float graph and repair what is left.

    Args:
        graph: float, with one picture input.
        frames: calibration pictures; labels are not needed.
        input_spec: the `[input]` table.
        speedup: how many times fewer milliseconds, measured on this machine with one thread, on each of `engines`;
            where to cut follows from a sensitivity study.
        ratio: instead, the fraction of channels every group loses, 0..1.
        widths: instead, the channels that each group keeps, by `Group.index`.
        engines: what the speed-up is measured on.
        pictures: how many of the frames to use, as far as half a gigabyte holds them; a part of them only measures.
        teacher: the graph whose outputs the repaired graph should give and whose answers measure the damage, when
            `graph` is not the original any more; one whose outputs have other shapes is not listened to.
        prior: what `study_channels` found for the same graph.
        progress: told the stage and the fraction of it that is done.

    Raises:
        BadModel: RL-COMPRESS-001, nothing can be cut, or what is left is not faster as measured.
        BadConfig: RL-CONFIG-003, a target that makes no sense; RL-CONFIG-005, not exactly one of them.
    """
    _check(speedup, ratio, widths)
    tell = progress or (lambda stage, done: None)
    found = prior or study_channels(graph, frames, input_spec, pictures=pictures, teacher=teacher, progress=progress)
    if speedup is not None:
        chosen, latency = reach(found, speedup, engines, lambda done: tell("plan", done))
    else:
        chosen = uniform(found.groups, ratio) if ratio is not None else _checked(found.groups, widths or {})
        latency = compare(found, chosen, engines)
    kept = found.kept(chosen)
    plain = cut(found.groups, kept)
    plan = plan_of(found.groups, chosen, plain, latency)
    if not chosen or plan.speedup < NO_FASTER:
        raise _refused(f"what is left is not faster: {plan.speedup:.2f}x measured, {len(chosen)} groups cut")
    student, _ = repaired(
        found.groups, kept, plain, found.pictures,
        teacher=_fitting(graph, teacher), progress=lambda done: tell("repair", done),
    )  # fmt: skip
    units = {index: found.groups.groups[index].units for index in chosen}
    return ChannelCut(
        graph=student,
        plan=plan,
        kept={index: tuple(np.flatnonzero(kept[its]).tolist()) for index, its in units.items()},
        damage=found.reference.damage(student),
        damage_unrepaired=found.reference.damage(plain),
    )


def _fitting(graph: Graph, teacher: Graph | None) -> Graph | None:
    """The teacher, if its inputs and outputs have the graph's shapes."""
    if teacher is None:
        return None
    shapes = [[t.shape for t in (*item.inputs, *item.outputs)] for item in (graph, teacher)]
    return teacher if shapes[0] == shapes[1] else None


def _check(speedup: float | None, ratio: float | None, widths: Mapping[int, int] | None) -> None:
    if sum(target is not None for target in (speedup, ratio, widths)) != 1:
        raise BadConfig(
            "RL-CONFIG-005",
            "channels are cut to exactly one of `speedup`, `ratio` and `widths`",
            hint="give one of them, for example speedup = 1.5",
        )
    if (speedup is not None and not speedup > 1) or (ratio is not None and not 0 < ratio < 1):
        raise BadConfig(
            "RL-CONFIG-003",
            f"`speedup` is {speedup} and `ratio` is {ratio}: nothing to cut",
            hint="a speedup is above 1, a ratio between 0 and 1",
        )


def _checked(groups: Groups, widths: Mapping[int, int]) -> dict[int, int]:
    """Widths that the groups can have, those that change nothing left out."""
    for index, width in widths.items():
        known = {group.index: group.widths for group in groups.free}
        if width not in known.get(index, ()):
            raise BadConfig(
                "RL-CONFIG-003",
                f"group {index} cannot keep {width} channels: {list(known.get(index, ())) or 'it is locked'}",
                hint="print(groups_of(graph)) lists the groups that can be cut",
            )
    return {index: width for index, width in widths.items() if width < groups.groups[index].size}


def _refused(why: str) -> BadModel:
    return BadModel(
        "RL-COMPRESS-001",
        f"the graph's channels are left as they are: {why}",
        hint="leave the step `channels` out of [recipe]; relens inspect MODEL shows where the time goes",
    )
