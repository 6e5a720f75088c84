"""Teacher and student side by side: the loss of one batch."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relens.compress.heal.bridge import Bridge, Inputs
from relens.compress.heal.targets import Target

_TEACHERS = "teacher: "


@dataclass(frozen=True)
class Pair:
    """A target, under the name of the teacher's and the student's output, with its weight in the loss.

    spread: how much each of the teacher's channels varies, (C,): the variance; of `independent` answers, at the
        temperature, the nats that it costs to know no more than how often each is yes.
    scores: the teacher's outputs under `Target.scores`.
    """

    target: Target
    teacher: str
    student: str
    weight: float
    spread: NDArray[np.float32]
    scores: tuple[str, ...] = ()


class Match(keras.layers.Layer):
    """How far the student is from the teacher in one target; 0 is perfect, about 1 is knowing nothing.

    classes: Kullback-Leibler divergence of softened distributions, times the square of the temperature (Hinton et al.
        2015).
    independent: the same for each yes-or-no question, in units of what knowing only its average costs, so that a
        detector's thousands of cells without an object do not drown the others.
    values: squared difference in units of the teacher's own spread, channel by channel over the last axis, linear for
        outliers; beside scores, each place by how sure the teacher is of anything there (Mehta & Ozturk 2018, "Object
        detection at 200 frames per second": boxes of empty cells are noise).
    feature: squared difference in units of the teacher's spread. Features, and values that a kept operation reads,
        pass through a trained projection where the student has other channels (Romero et al. 2015).
    """

    def __init__(
        self, target: Target, teacher: Any, student: Any, *, spread: NDArray[np.float32], temperature: float
    ) -> None:
        super().__init__()
        self.kind, self.temperature = target.kind, temperature
        self.information = max(float(spread.mean()), 1e-6)
        # Channels that hardly move count by the whole tensor's spread: noise must not be magnified.
        self.scale = 1.0 / np.sqrt(np.where(spread < 0.01 * spread.mean(), spread.mean(), spread) + 1e-12)
        self.projection: Any | None = None
        if target.kind in ("feature", "values") and teacher.shape[-1] != student.shape[-1]:
            # At first it knows nothing: one of random weights is far worse, and what mends that moves the student too.
            self.projection = keras.layers.Dense(teacher.shape[-1], kernel_initializer="zeros")
            self.projection.build(student.shape)
        self.built = True

    def call(self, teacher: Any, student: Any, scores: Sequence[Any] = ()) -> Any:
        """Both (N, ..., C), and of each of the teacher's scores beside them the logits (N, ..., C') -> a scalar."""
        if self.kind in ("classes", "independent"):
            return self._divergence(teacher, student)
        if self.projection is not None:
            student = self.projection(student)
        difference = ops.multiply(student - teacher, self.scale)
        if self.kind == "feature":
            return ops.mean(ops.square(difference))
        size = ops.abs(difference)
        error = ops.where(size < 1.0, ops.square(difference), 2.0 * size - 1.0)
        return _weighted(error, scores) if scores else ops.mean(error)

    def _divergence(self, teacher: Any, student: Any) -> Any:
        if self.kind == "independent":
            # A question of two answers: logits (z, 0).
            teacher, student = (ops.stack([z, ops.zeros_like(z)], axis=-1) for z in (teacher, student))
        t, s = teacher / self.temperature, student / self.temperature
        gap = ops.log_softmax(t, axis=-1) - ops.log_softmax(s, axis=-1)
        nats = ops.mean(ops.sum(ops.softmax(t, axis=-1) * gap, axis=-1))
        return nats / self.information if self.kind == "independent" else self.temperature**2 * nats


def _weighted(error: Any, scores: Sequence[Any]) -> Any:
    """The mean of errors (N, ..., C), each place by the product of its surest answers; of one sure place at least."""
    sure = 1.0
    for logits in scores:
        sure = sure * ops.max(ops.sigmoid(logits), axis=-1)
    return ops.sum(sure * ops.mean(error, axis=-1)) / ops.maximum(ops.sum(sure), 1.0)


class Healing(keras.Model):
    """The student, trained to answer as the teacher does.

    Args:
        teacher, student: lifted models, over what they keep; the teacher's weights stay.
        pairs: what to match.
        label_share: how much true labels count beside the teacher, 0..1; they come as `y`, (N, classes), summing to 1.
    """

    def __init__(
        self,
        teacher: Bridge,
        student: Bridge,
        pairs: Sequence[Pair],
        *,
        temperature: float,
        label_share: float = 0.0,
    ) -> None:
        super().__init__()
        self.teacher_bridge, self.student_bridge = teacher, student
        self.teacher, self.student = teacher.lifted.model, student.lifted.model
        self.label_share = label_share
        graphs = (teacher.lifted.graph, student.lifted.graph)
        self.names = {their.name: my.name for their, my in zip(*(graph.inputs for graph in graphs), strict=True)}
        self.given = self.names | {name: _TEACHERS + name for name in teacher.lifted.fed}
        self.scores = next((pair.student for pair in pairs if pair.target.kind == "classes"), None)
        self.teacher.trainable = False
        self.pairs = tuple(pairs)
        self.matches = [
            Match(
                pair.target,
                self.teacher.output[pair.teacher],
                self.student.output[pair.student],
                spread=pair.spread,
                temperature=temperature,
            )
            for pair in pairs
        ]
        self.built = True

    @property
    def crosses(self) -> bool:
        """Whether there are kept operations in the middle of either."""
        return bool(self.teacher_bridge or self.student_bridge)

    def teachers(self, pictures: Mapping[str, Any]) -> Inputs:
        """All that the teacher starts from, given pictures under the student's names."""
        return self.teacher_bridge({theirs: pictures[mine] for theirs, mine in self.names.items()})

    def students(self, pictures: Mapping[str, Any]) -> Inputs:
        """All that the student starts from, as it is now."""
        return self.student_bridge(pictures)

    def both(self, pictures: Mapping[str, Any]) -> Inputs:
        """What `call` takes: the student's inputs, and results of the teacher's kept operations."""
        theirs = self.teachers(pictures)
        return self.students(pictures) | {_TEACHERS + name: theirs[name] for name in self.teacher_bridge.lifted.fed}

    def call(self, x: Any, training: bool = False) -> Any:
        """The student's outputs."""
        return self.student({name: x[name] for name in self.student.input}, training=training)

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """The weighted sum over all targets; Keras calls it in each step."""
        share = self.label_share if y is not None else 0.0
        loss = 0.0
        if share < 1.0:
            said = self.teacher({name: x[given] for name, given in self.given.items()}, training=False)
            answers = {name: ops.stop_gradient(answer) for name, answer in said.items()}
            loss = (1.0 - share) * sum(self._gaps(answers, y_pred))
        if share > 0.0:
            loss -= share * ops.mean(ops.sum(y * ops.log_softmax(y_pred[self.scores], axis=-1), axis=-1))
        return loss

    def distance(self, teacher: Any, student: Any) -> float:
        """The loss of the outputs alone, features aside, between answers that are given as arrays."""
        return sum(map(float, self._gaps(teacher, student, features=False)))

    def _gaps(self, teacher: Mapping[str, Any], student: Mapping[str, Any], *, features: bool = True) -> Iterator[Any]:
        """Of each target, weighted."""
        for match, pair in zip(self.matches, self.pairs, strict=True):
            if features or match.kind != "feature":
                scores = [teacher[name] for name in pair.scores]
                yield pair.weight * match(teacher[pair.teacher], student[pair.student], scores)
