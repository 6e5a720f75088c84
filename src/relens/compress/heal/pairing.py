"""Teacher and student lifted side by side, with what the one learns from the other."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from relens.compress.heal.batches import plain_batches
from relens.compress.heal.bridge import Bridge
from relens.compress.heal.compiling import compiles
from relens.compress.heal.counterparts import counterparts, unlike
from relens.compress.heal.settings import HealSettings
from relens.compress.heal.targets import Target, targets
from relens.compress.heal.trainer import Healing, Pair
from relens.errors import BadModel
from relens.graph import Graph, Tensor
from relens.graph.edit import with_outputs
from relens.lift import Lifted, lift
from relens.spec import InputSpec
from relens.vision import Frames

STATISTICS_BATCHES = 8


@dataclass(frozen=True)
class CleanBatches:
    """A few training pictures as they are, for statistics: the same ones every time."""

    frames: Frames
    spec: InputSpec
    tensor: Tensor
    size: int

    def of(self, tensor: Tensor) -> "CleanBatches":
        """The same pictures for another graph's input."""
        return replace(self, tensor=tensor)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        few = self.frames.spread(STATISTICS_BATCHES * self.size)
        return islice(plain_batches(few, self.spec, self.tensor, self.size), STATISTICS_BATCHES)


Dress = Callable[[Graph, Iterable[Mapping[str, Any]]], Lifted]
"""Lifts the student with what its training adds: normalization, or fake quantization."""


def paired(teacher: Graph, student: Graph, settings: HealSettings, clean: CleanBatches, dress: Dress) -> Healing:
    """The model that trains the student.

    Raises:
        BadModel: RL-LIFT-003 when the two do not fit together; RL-LIFT-001 when LiteRT cannot run a kept operation.
    """
    _check(teacher, student)
    theirs, mine = _targets(lift(teacher), lift(student), features=settings.feature_weight > 0)
    seen_teacher = with_outputs(teacher, [target.tensor for target in theirs])
    seen_student = with_outputs(student, [target.tensor for target in mine])
    master, lifted = lift(seen_teacher), dress(seen_student, clean)
    for model in (master.model, lifted.model):
        model.compile(jit_compile=compiles())
    bridge = Bridge(master)
    names = [_output_name(seen_teacher, target.tensor) for target in theirs]
    watched = dict(zip(names, theirs, strict=True))
    spreads = _spreads(master.model, watched, map(bridge, clean.of(teacher.inputs[0])), settings.temperature)
    pairs = [
        Pair(
            your,
            name,
            _output_name(seen_student, your.tensor),
            weight,
            spreads[name],
            tuple(_output_name(seen_teacher, score) for score in their.scores),
        )
        for name, their, your, weight in zip(names, theirs, mine, _weights(mine, settings), strict=True)
    ]
    return Healing(
        bridge,
        Bridge(lifted),
        pairs,
        temperature=settings.temperature,
        label_share=settings.label_share,
    )


def _targets(teacher: Lifted, student: Lifted, *, features: bool) -> tuple[tuple[Target, ...], tuple[Target, ...]]:
    """What there is to match, the teacher's and the student's side by side.

    Raises:
        BadModel: RL-LIFT-003 when there is something in one of them only, or in another shape.
    """
    read = [op.index for op in counterparts(teacher, student)]
    theirs = targets(teacher.graph, features=features, kept=[one.op.index for one in teacher.kept], read=read)
    mine = targets(student.graph, features=features, kept=[one.op.index for one in student.kept])
    if [target.kind for target in theirs] != [target.kind for target in mine]:
        theirs, mine = (tuple(one for one in found if one.kind != "feature") for found in (theirs, mine))
    if len(theirs) != len(mine):
        raise unlike(teacher, student, f"there are {len(theirs)} tensors to match in the one, {len(mine)} in the other")
    for their, my in zip(theirs, mine, strict=True):
        there, here = teacher.graph.tensors[their.tensor], student.graph.tensors[my.tensor]
        if not _fits(my, there.shape, here.shape):
            raise unlike(teacher, student, f"the student has {here} where the teacher has {there}")
    return theirs, mine


def _fits(target: Target, teacher: tuple[int, ...], student: tuple[int, ...]) -> bool:
    """Whether the shapes can be matched: only values, such as a kept operation reads, may have other channels."""
    if target.kind == "values":
        return teacher[:-1] == student[:-1]
    return target.kind == "feature" or np.prod(teacher) == np.prod(student)


def _weights(every: Sequence[Target], settings: HealSettings) -> list[float]:
    """All that is answered counts 1 together, and so do the features, times their weight."""
    features = sum(target.kind == "feature" for target in every)
    answers = len(every) - features
    return [settings.feature_weight / features if target.kind == "feature" else 1.0 / answers for target in every]


def _output_name(graph: Graph, index: int) -> str:
    return next(tensor.name for tensor in graph.outputs if tensor.index == index)


def _spreads(
    teacher: keras.Model, watched: Mapping[str, Target], clean: Iterable[Any], temperature: float
) -> dict[str, NDArray[np.float32]]:
    """How much the teacher's outputs, by name, vary over some pictures: `Pair.spread`."""
    bends = {name: _knowledge if target.kind == "independent" else np.square for name, target in watched.items()}
    sums: dict[str, list[Any]] = {name: [0.0, 0.0] for name in watched}
    count = 0
    for batch in clean:
        answers = teacher.predict_on_batch(batch)
        count += 1
        for name, bend in bends.items():
            rows = _by_channel(answers[name]).astype(np.float64)
            if watched[name].kind == "independent":
                rows = 1 / (1 + np.exp(-rows / temperature))
            sums[name][0] += rows.mean(axis=0)
            sums[name][1] += bend(rows).mean(axis=0)
    # How far the mean of a convex function is above the function of the mean: of squares that is the variance.
    return {
        name: np.asarray(sums[name][1] / count - bend(sums[name][0] / count), np.float32)
        for name, bend in bends.items()
    }


def _knowledge(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the answer to yes-or-no questions: minus the entropy, in nats."""
    sure = np.clip(chance, 1e-12, 1 - 1e-12)
    return np.asarray(sure * np.log(sure) + (1 - sure) * np.log(1 - sure))


def _by_channel(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, ..., C) -> (rows, C); a lone axis is no channels but pictures."""
    return values.reshape(-1, values.shape[-1] if values.ndim > 1 else 1)


def _check(teacher: Graph, student: Graph) -> None:
    for theirs, mine in ((teacher.inputs, student.inputs), (teacher.outputs, student.outputs)):
        if [tensor.shape for tensor in theirs] != [tensor.shape for tensor in mine]:
            raise BadModel(
                "RL-LIFT-003",
                f"the student has {', '.join(map(str, mine))} where the teacher has {', '.join(map(str, theirs))}",
                hint="export the student with the teacher's input size and outputs",
            )
