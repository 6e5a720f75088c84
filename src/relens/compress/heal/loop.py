"""The one training loop: the student answers the teacher's answers, epoch by epoch, and the best one is kept."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relens.compress.heal.batches import Batches, held_out, plain_batches
from relens.compress.heal.checkpoint import Checkpoint
from relens.compress.heal.normal import normalized, refresh
from relens.compress.heal.settings import HealSettings
from relens.compress.heal.targets import Target, targets
from relens.compress.heal.trainer import Healing, Pair
from relens.errors import BadModel
from relens.graph import Graph, Tensor
from relens.graph.edit import with_outputs
from relens.lift import Lifted, lift, lower
from relens.spec import InputSpec
from relens.vision import Frames

REFRESH_BATCHES = 16


@dataclass(frozen=True)
class Epoch:
    """One turn over the pictures: loss in training, and on held-out pictures as they are (0 is the teacher itself)."""

    number: int
    loss: float
    held_out: float
    seconds: float


@dataclass(frozen=True)
class Moment:
    """Where a training is: for progress."""

    epoch: int
    epochs: int
    fraction: float
    seconds_left: float
    best: float | None


@dataclass(frozen=True)
class Healed:
    """A healed student.

    before, after: the loss on held-out pictures, in front of the training and of the best epoch.
    """

    graph: Graph
    before: float
    after: float
    epochs: tuple[Epoch, ...] = field(repr=False)

    def __str__(self) -> str:
        return f"held-out loss {self.before:.4f} -> {self.after:.4f} in {len(self.epochs)} epochs"


@dataclass(frozen=True)
class Pictures:
    """What to train on: pictures and how they become the input.

    labels: true classes, (N, classes) float32 that sum to 1, or None.
    """

    frames: Frames
    spec: InputSpec
    labels: NDArray[np.float32] | None = None


def heal(
    teacher: Graph,
    student: Graph,
    pictures: Pictures,
    settings: HealSettings | None = None,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[Moment], None] | None = None,
) -> Healed:
    """Train a student to answer as its teacher; labels are not needed.

    Args:
        teacher: the original float graph.
        student: a float graph with the same input and outputs.
        pictures: what to train on; part of it is held out for judging.
        settings: how.
        checkpoint: a file that a killed training goes on from; it is gone when the training ends.
        progress: told after each step.

    Raises:
        BadModel: RL-LIFT-001, -002, or -003 when teacher and student do not fit together.
    """
    settings = settings or HealSettings()
    _check_pair(teacher, student)
    training, judging = held_out(len(pictures.frames), settings.hold_out, settings.hold_out_most, settings.seed)
    clean = _Clean(pictures.frames.chosen(training), pictures.spec, student.inputs[0], settings.batch)
    lifted, model = _paired(teacher, student, settings, clean)
    judge = _Judge(model, list(_judging(pictures, judging, student.inputs[0], settings.batch)))
    run = _Run(model, lifted, clean, judge, settings, len(training))
    state = Checkpoint(checkpoint, _key(teacher, student, pictures, settings))
    run.train(pictures, training, state, progress or (lambda moment: None))
    healed = _lowered(lifted, student)
    state.clear()
    return Healed(healed, run.before, run.best, tuple(run.epochs))


@dataclass(frozen=True)
class _Clean:
    """Training pictures as they are, for channel statistics: the same ones every time."""

    frames: Frames
    spec: InputSpec
    tensor: Tensor
    size: int

    def __iter__(self) -> Any:
        few = self.frames.spread(REFRESH_BATCHES * self.size)
        return islice(plain_batches(few, self.spec, self.tensor, self.size), REFRESH_BATCHES)


class _Judge:
    """The loss on held-out pictures, with the teacher's answers kept."""

    def __init__(self, model: Healing, batches: list[Mapping[str, Any]]) -> None:
        self.model, self.batches = model, batches

    def __call__(self) -> float:
        losses, counts = [], []
        for batch in self.batches:
            answers = self.model.student.predict_on_batch(batch)
            truth = self.model.teacher.predict_on_batch(batch)
            losses.append(self.model.distance(truth, answers))
            counts.append(len(next(iter(batch.values()))))
        return float(np.average(losses, weights=counts))


class _Run:
    """One training from start or checkpoint to its end."""

    def __init__(
        self, model: Healing, lifted: Lifted, clean: _Clean, judge: _Judge, settings: HealSettings, pictures: int
    ) -> None:
        self.model, self.lifted, self.clean, self.judge, self.settings = model, lifted, clean, judge, settings
        self.steps = max(1, pictures // min(settings.batch, pictures))
        self.optimizer = _optimizer(settings, self.steps)
        model.compile(optimizer=self.optimizer, jit_compile=keras.backend.backend() == "jax")
        self.optimizer.build(model.trainable_variables)
        self.epochs: list[Epoch] = []
        self.before = self.best = float("inf")
        self.best_weights: list[Any] = []

    @property
    def variables(self) -> list[Any]:
        teacher = {id(variable) for variable in self.model.teacher.variables}
        mine = [variable for variable in self.model.variables if id(variable) not in teacher]
        own = {id(variable) for variable in mine}
        return mine + [variable for variable in self.optimizer.variables if id(variable) not in own]

    def train(
        self, pictures: Pictures, training: list[int], state: Checkpoint, progress: Callable[[Moment], None]
    ) -> None:
        self._start(state)
        for number in range(len(self.epochs), self.settings.epochs):
            if self._stale():
                break
            self._epoch(number, pictures, training, progress)
            state.save(self.variables, self.best_weights, self._facts())
        for variable, value in zip(self.model.student.variables, self.best_weights, strict=True):
            variable.assign(value)

    def _start(self, state: Checkpoint) -> None:
        kept = state.restore(self.variables)
        if kept is None:
            self.before = self.best = self.judge()
            self.best_weights = _values(self.model.student.variables)
            return
        self.best_weights, facts = kept
        self.before, self.best = facts["before"], facts["best"]
        self.epochs = [Epoch(**epoch) for epoch in facts["epochs"]]

    def _facts(self) -> dict[str, Any]:
        return {"before": self.before, "best": self.best, "epochs": [dict(vars(epoch)) for epoch in self.epochs]}

    def _stale(self) -> bool:
        """No better judgement for `patience` epochs, the first of which do not count: they repair the worst."""
        recent = [epoch.held_out for epoch in self.epochs[-self.settings.patience :]]
        return len(recent) == self.settings.patience and min(recent) > self.best

    def _epoch(
        self, number: int, pictures: Pictures, training: list[int], progress: Callable[[Moment], None]
    ) -> None:
        start = time.perf_counter()
        batches = Batches(
            pictures.frames.chosen(training),
            pictures.spec,
            self.lifted.graph.inputs[0],
            size=self.settings.batch,
            change=self.settings.augmentation,
            seed=self.settings.seed,
            epoch=number,
            labels=None if pictures.labels is None else pictures.labels[training],
        )
        told = _Told(number, self.settings.epochs, self.steps, self.best, progress)
        history = self.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[told])
        refresh(self.lifted, self.clean)
        held_out_loss = self.judge()
        if held_out_loss < self.best or not self.epochs:
            self.best, self.best_weights = held_out_loss, _values(self.model.student.variables)
        seconds = time.perf_counter() - start
        self.epochs.append(Epoch(number, float(history.history["loss"][-1]), held_out_loss, seconds))


class _Told(keras.callbacks.Callback):
    """Passes each step on."""

    def __init__(
        self, epoch: int, epochs: int, steps: int, best: float, progress: Callable[[Moment], None]
    ) -> None:
        super().__init__()
        self.epoch, self.epochs, self.steps, self.best, self.progress = epoch, epochs, steps, best, progress
        self.start = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras calls it."""
        done = (batch + 1) / self.steps
        a_turn = (time.perf_counter() - self.start) / done
        left = a_turn * (self.epochs - self.epoch - done)
        self.progress(Moment(self.epoch, self.epochs, (self.epoch + done) / self.epochs, left, self.best))


def _paired(teacher: Graph, student: Graph, settings: HealSettings, clean: _Clean) -> tuple[Lifted, Healing]:
    features = settings.feature_weight > 0
    theirs, mine = targets(teacher, features=features), targets(student, features=features)
    if [target.kind for target in theirs] != [target.kind for target in mine]:
        theirs, mine = targets(teacher, features=False), targets(student, features=False)
    seen_teacher = with_outputs(teacher, [target.tensor for target in theirs])
    seen_student = with_outputs(student, [target.tensor for target in mine])
    master = lift(seen_teacher)
    lifted = normalized(seen_student, clean) if settings.normalize else lift(seen_student)
    for model in (master.model, lifted.model):
        model.compile(jit_compile=keras.backend.backend() == "jax")
    names = [_output_name(seen_teacher, target.tensor) for target in theirs]
    spreads = _spreads(master.model, names, clean)
    pairs = [
        Pair(your, name, _output_name(seen_student, your.tensor), _weight(your, settings), spreads[name])
        for name, your in zip(names, mine, strict=True)
    ]
    model = Healing(
        master.model,
        lifted.model,
        pairs,
        temperature=settings.temperature,
        label_share=settings.label_share,
        seed=settings.seed,
    )
    return lifted, model


def _weight(target: Target, settings: HealSettings) -> float:
    return settings.feature_weight if target.kind == "feature" else 1.0


def _spreads(teacher: keras.Model, names: Sequence[str], clean: Iterable[Any]) -> dict[str, NDArray[np.float32]]:
    """The variance (C,) of each channel of these outputs over some pictures."""
    sums = dict.fromkeys(names, 0.0)
    squares = dict.fromkeys(names, 0.0)
    count = 0
    for batch in clean:
        answers = teacher.predict_on_batch(batch)
        count += 1
        for name in sums:
            rows = answers[name].reshape(-1, answers[name].shape[-1]).astype(np.float64)
            sums[name] = sums[name] + rows.mean(axis=0)
            squares[name] = squares[name] + np.square(rows).mean(axis=0)
    return {name: np.asarray(squares[name] / count - np.square(sums[name] / count), np.float32) for name in sums}


def _output_name(graph: Graph, index: int) -> str:
    return next(tensor.name for tensor in graph.outputs if tensor.index == index)


def _lowered(lifted: Lifted, student: Graph) -> Graph:
    """The weights in the student's own graph, which has no inner outputs."""
    return lower(replace(lifted, graph=student))


def _judging(pictures: Pictures, places: list[int], tensor: Tensor, size: int) -> Iterable[Mapping[str, Any]]:
    return plain_batches(pictures.frames.chosen(places), pictures.spec, tensor, size)


def _values(variables: Iterable[Any]) -> list[Any]:
    return [np.array(ops.convert_to_numpy(variable)) for variable in variables]


def _optimizer(settings: HealSettings, steps: int) -> keras.optimizers.Optimizer:
    total = steps * settings.epochs
    warm_up = max(1, total // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, total - warm_up, alpha=0.01, warmup_target=settings.learning_rate, warmup_steps=warm_up
    )
    return keras.optimizers.Adam(schedule, global_clipnorm=5.0)


def _key(teacher: Graph, student: Graph, pictures: Pictures, settings: HealSettings) -> str:
    labels = hashlib.sha256(b"" if pictures.labels is None else pictures.labels.tobytes()).hexdigest()
    parts = [teacher.sha256, student.sha256, pictures.frames.sha256, labels, settings.to_json()]
    parts += [pictures.spec.model_dump(mode="json"), keras.__version__, keras.backend.backend()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _check_pair(teacher: Graph, student: Graph) -> None:
    """Same input, same outputs."""
    for theirs, mine in ((teacher.inputs, student.inputs), (teacher.outputs, student.outputs)):
        if [tensor.shape for tensor in theirs] != [tensor.shape for tensor in mine]:
            raise BadModel(
                "RL-LIFT-003",
                f"the student has {', '.join(map(str, mine))} where the teacher has {', '.join(map(str, theirs))}",
                hint="export the student with the teacher's input size and outputs",
            )
