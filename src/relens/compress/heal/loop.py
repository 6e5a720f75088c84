"""The one training loop: the student answers the teacher's answers, epoch by epoch, and the best one is kept."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from relens.compress.heal.batches import Batches, plain_batches
from relens.compress.heal.checkpoint import Checkpoint
from relens.compress.heal.compiling import compiles
from relens.compress.heal.memory import keep_freed_memory
from relens.compress.heal.normal import Statistician
from relens.compress.heal.pairing import CleanBatches, Dress, paired
from relens.compress.heal.settings import HealSettings
from relens.compress.heal.trainer import Healing
from relens.graph import Graph
from relens.lift import Lifted
from relens.lift.layers import numbers
from relens.spec import InputSpec
from relens.vision import Frames
from relens.vision.frames import held_out


@dataclass(frozen=True)
class Pictures:
    """What to train on: pictures and how they become the input.

    labels: true classes, (N, classes) float32 that sum to 1, or None.
    held: pictures to judge by. They must be new to the student's making as well: a cut that was repaired on them
        looks better than any training can make it. None holds a part of `frames` out.
    """

    frames: Frames
    spec: InputSpec
    labels: NDArray[np.float32] | None = None
    held: Frames | None = None

    def parted(self, share: float, most: int, seed: int) -> "Pictures":
        """With pictures to judge by, held out if there are none yet."""
        if self.held is not None:
            return self
        total = len(self.frames)
        training, judging = held_out(total, max(1, min(most, math.ceil(total * share))), seed)
        training = training or [0]
        labels = None if self.labels is None else self.labels[training]
        return Pictures(self.frames.chosen(training), self.spec, labels, self.frames.chosen(judging))


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
    best: float


Watch = Callable[[Moment], None]


@dataclass(frozen=True)
class Trained:
    """A student with the weights of its best epoch.

    before, after: the loss on held-out pictures, in front of the training and of the best epoch.
    """

    lifted: Lifted
    before: float
    after: float
    epochs: tuple[Epoch, ...] = field(repr=False)


def train(
    teacher: Graph,
    student: Graph,
    pictures: Pictures,
    settings: HealSettings,
    dress: Dress,
    *,
    checkpoint: Path | None = None,
    progress: Watch | None = None,
) -> Trained:
    """Train a student to answer as its teacher.

    Args:
        teacher: the original float graph.
        student: a float graph with the same inputs and outputs.
        pictures: what to train on; part of it is held out for judging.
        settings: how.
        dress: lifts the student with what the training adds to it.
        checkpoint: a file that a killed training goes on from; it is gone when the training ends.
        progress: told after each step.

    Raises:
        BadModel: RL-LIFT-001, -002, or -003 when teacher and student do not fit together.
    """
    mine = pictures.parted(settings.hold_out, settings.hold_out_most, settings.seed)
    tensor = student.inputs[0]
    clean = CleanBatches(mine.frames, mine.spec, tensor, settings.batch)
    model = paired(teacher, student, settings, clean, dress)
    judge = _Judge(model, list(plain_batches(mine.held or mine.frames, mine.spec, tensor, settings.batch)))
    run = _Run(model, mine, clean, judge, settings, progress or (lambda moment: None))
    state = Checkpoint(checkpoint, _key(teacher, student, pictures, settings))
    run.train(state)
    state.clear()
    return Trained(model.student_bridge.lifted, run.before, run.best, tuple(run.epochs))


class _Judge:
    """The loss on held-out pictures; the teacher's answers to them are found once."""

    def __init__(self, model: Healing, batches: Sequence[Mapping[str, Any]]) -> None:
        self.model, self.batches = model, batches
        self.truths = [model.teacher.predict_on_batch(model.teachers(batch)) for batch in batches]

    def __call__(self) -> float:
        losses = [
            self.model.distance(truth, self.model.student.predict_on_batch(self.model.students(batch)))
            for batch, truth in zip(self.batches, self.truths, strict=True)
        ]
        return float(np.average(losses, weights=[len(next(iter(batch.values()))) for batch in self.batches]))


class _Run:
    """One training, from its start or its checkpoint to its end."""

    def __init__(
        self,
        model: Healing,
        pictures: Pictures,
        clean: CleanBatches,
        judge: _Judge,
        settings: HealSettings,
        progress: Watch,
    ) -> None:
        self.model, self.pictures, self.clean = model, pictures, clean
        self.judge, self.settings, self.progress = judge, settings, progress
        self.statistician = Statistician(model.student_bridge)
        self.optimizer = scheduled_adam(settings, len(self._batches(0)))
        model.compile(optimizer=self.optimizer, jit_compile=compiles())
        self.optimizer.build(model.trainable_variables)
        self.epochs: list[Epoch] = []
        self.before = self.best = float("inf")
        self.best_weights: list[Any] = []

    def train(self, state: Checkpoint) -> None:
        """Until the last epoch, or until nothing has got better for long; the best weights stay in the model."""
        self._start(state)
        for number in range(len(self.epochs), self.settings.epochs):
            if self._stale():
                break
            self._epoch(number)
            state.save(self._variables(), self.best_weights, self._facts())
        for variable, value in zip(self.model.student.variables, self.best_weights, strict=True):
            variable.assign(value)

    def _start(self, state: Checkpoint) -> None:
        kept = state.restore(self._variables())
        if kept is None:
            self.before = self.best = self.judge()
            self.best_weights = _values(self.model.student.variables)
            return
        self.best_weights, facts = kept
        self.before, self.best = facts["before"], facts["best"]
        self.epochs = [Epoch(**epoch) for epoch in facts["epochs"]]

    def _epoch(self, number: int) -> None:
        start = time.perf_counter()
        batches = self._batches(number)
        told = _Told(number, self.settings.epochs, len(batches), self.best, self.progress)
        loss = self._turn(batches, told)
        self.statistician.refresh(self.clean)
        judged = self.judge()
        if judged < self.best:
            self.best, self.best_weights = judged, _values(self.model.student.variables)
        seconds = time.perf_counter() - start
        self.epochs.append(Epoch(number, loss, judged, seconds))

    def _turn(self, batches: Batches, told: "_Told") -> float:
        """All batches once: their mean loss."""
        if not self.model.crosses:  # Keras ends a fit with the averaged weights
            history = self.model.fit(batches, epochs=1, verbose=0, shuffle=False, callbacks=[told])
            return float(history.history["loss"][-1])
        self.model.reset_metrics()
        for place in range(len(batches)):  # one by one: what kept operations give depends on the step before
            told.on_train_batch_begin(place)
            pictures, *labels = batches[place]
            said = self.model.train_on_batch(self.model.both(pictures), *labels, return_dict=True)
            told.on_train_batch_end(place)
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
        return float(said["loss"])

    def _batches(self, epoch: int) -> Batches:
        return Batches(
            self.pictures.frames,
            self.pictures.spec,
            self.clean.tensor,
            size=self.settings.batch,
            change=self.settings.augmentation,
            seed=self.settings.seed,
            epoch=epoch,
            labels=self.pictures.labels,
        )

    def _stale(self) -> bool:
        recent = [epoch.held_out for epoch in self.epochs[-self.settings.patience :]]
        return len(recent) == self.settings.patience and min(recent) > self.best

    def _variables(self) -> list[Any]:
        """Everything that a step changes: all but the teacher."""
        still = {id(variable) for variable in self.model.teacher.variables}
        every = {id(one): one for one in (*self.model.variables, *self.optimizer.variables) if id(one) not in still}
        return list(every.values())

    def _facts(self) -> dict[str, Any]:
        return {"before": self.before, "best": self.best, "epochs": [dict(vars(epoch)) for epoch in self.epochs]}


class _Told(keras.callbacks.Callback):
    """Passes each step on, and keeps memory for the next."""

    def __init__(self, epoch: int, epochs: int, steps: int, best: float, progress: Watch) -> None:
        super().__init__()
        self.epoch, self.epochs, self.steps, self.best, self.progress = epoch, epochs, steps, best, progress
        self.start = time.perf_counter()

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Keras calls it; by then TensorFlow has had its way with the memory."""
        if batch == 0:
            keep_freed_memory()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Keras calls it."""
        done = (batch + 1) / self.steps
        left = (time.perf_counter() - self.start) / done * (self.epochs - self.epoch - done)
        self.progress(Moment(self.epoch, self.epochs, (self.epoch + done) / self.epochs, left, self.best))


def _values(variables: Iterable[Any]) -> list[Any]:
    return [numbers(variable).copy() for variable in variables]


def scheduled_adam(settings: HealSettings, steps: int) -> keras.optimizers.Optimizer:
    """Adam for so many steps an epoch; the learning rate rises for a twentieth and then falls like a cosine."""
    total = steps * settings.epochs
    warm_up = max(1, total // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, total - warm_up), alpha=0.01, warmup_target=settings.learning_rate, warmup_steps=warm_up
    )
    momentum = 1.0 - 1.0 / (1.0 + settings.average * steps)
    return AveragingAdam(schedule, global_clipnorm=5.0, use_ema=settings.average > 0, ema_momentum=momentum)


class AveragingAdam(keras.optimizers.Adam):
    """Adam whose averages stay its own when they become the weights: JAX takes no buffer twice into a step."""

    def finalize_variable_values(self, var_list: Iterable[Any]) -> None:
        """Keras calls it when a fit ends."""
        if self.use_ema:
            for variable, average in zip(var_list, self._model_variables_moving_average, strict=True):
                variable.assign(keras.ops.copy(average))


def _key(teacher: Graph, student: Graph, pictures: Pictures, settings: HealSettings) -> str:
    labels = hashlib.sha256(b"" if pictures.labels is None else pictures.labels.tobytes()).hexdigest()
    parts: list[Any] = [teacher.sha256, student.sha256, pictures.frames.sha256, labels, settings.to_json()]
    parts += [pictures.held.sha256 if pictures.held else None]
    parts += [pictures.spec.model_dump(mode="json"), keras.__version__, keras.backend.backend()]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
