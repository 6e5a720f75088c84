"""Pictures on which the float model and the chosen option speak side by side, those first where they differ most."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from relens.device.checks import LEAST_IOU
from relens.measure.classification import Top1
from relens.pipeline.option import Option
from relens.pipeline.progress import Progress
from relens.pipeline.trial import Bench, vision_model
from relens.vision import Classes, Detections, Frame, Frames, Prediction, Tensors, class_name, drawn_jpeg
from relens.vision.decoders.suppression import iou
from relens.vision.frames import evenly

COMPARED = 300
"""Pictures that both models are asked about, at most."""
SHOWN, MOST_DIFFERENT = 6, 4
"""Pictures shown, and how many of them at most for being the most different; the others are evenly spread."""
SIDE = 320

RULES: dict[type, str] = {
    Classes: "another best class",
    Detections: "an object that only one of them finds, or boxes that overlap by less than half",
}


@dataclass(frozen=True)
class Difference:
    """How far two predictions of one picture lie apart. differs: they say something else; amount: 0 is nothing."""

    differs: bool
    amount: float


@dataclass(frozen=True)
class View:
    """A prediction drawn on its picture. jpeg: the file; says: in words; right: whether that is the truth, if known."""

    jpeg: bytes = field(repr=False)
    says: str
    right: bool | None = None


@dataclass(frozen=True)
class Pair:
    """One picture, seen by both. truth: its label, if there is one."""

    picture: str
    differs: bool
    truth: str | None
    reference: View
    chosen: View


@dataclass(frozen=True)
class SideBySide:
    """Two options on the same pictures: `differing` of the `compared` ones, out of `total`, and some to look at.

    rule: what counts as a difference, in words.
    """

    reference: str
    chosen: str
    total: int
    compared: int
    differing: int
    rule: str
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for the report, without the pictures."""
        pairs = [
            {"picture": pair.picture, "differs": pair.differs, "truth": pair.truth}
            | {"reference": pair.reference.says, "chosen": pair.chosen.says}
            for pair in self.pairs
        ]
        return {**vars(self), "pairs": pairs}


def side_by_side(
    reference: Option, chosen: Option, bench: Bench, labels: Sequence[str], progress: Progress
) -> SideBySide | None:
    """Ask both about the validation pictures, as the camera would; None where there is nothing to see.

    Nothing to see: both are the same, or their outputs are tensors of unknown meaning.

    Args:
        reference: the float model on the engine of reference.
        chosen: the option to hold against it.
        bench: contract, pictures and device.
        labels: names of the classes.
        progress: told about each picture.
    """
    frames = bench.validation.frames
    places = evenly(len(frames), COMPARED)
    asked = frames.chosen(places)
    said = [] if reference.name == chosen.name else _said(reference, chosen, bench, asked, progress)
    if not said:
        return None
    metric = bench.validation.metric
    truth = [int(metric.truth[place]) if isinstance(metric, Top1) else None for place in places]
    differences = [difference(*pair) for pair in said]
    return SideBySide(
        reference.name,
        chosen.name,
        len(frames),
        len(asked),
        sum(found.differs for found in differences),
        RULES[type(said[0][0])],
        tuple(_pair(asked, n, said[n], differences[n], truth[n], labels) for n in most_telling(differences)),
    )


def _said(
    reference: Option, chosen: Option, bench: Bench, asked: Frames, progress: Progress
) -> list[tuple[Prediction, Prediction]]:
    """What both say of each picture; nothing if that is tensors."""
    said = []
    with vision_model(reference, bench) as original, vision_model(chosen, bench) as other:
        if isinstance(original.predict(asked[0]), Tensors):
            return []
        progress.stage("side by side")
        for number, frame in enumerate(asked, 1):
            said.append((original.predict(frame), other.predict(frame)))
            progress.advance(number / len(asked))
    return said


def difference(one: Prediction, other: Prediction) -> Difference:
    """How far two predictions of one picture lie apart.

    Classes differ when the best one is another; detections when a box has no partner of its class with an IoU of at
    least 0.5, or there are more boxes. Then the scores count, or the worst overlap.
    """
    if isinstance(one, Classes) and isinstance(other, Classes):
        differs = one.top(1)[0][0] != other.top(1)[0][0]
        return Difference(differs, float(np.abs(one.scores - other.scores).max()))
    if isinstance(one, Detections) and isinstance(other, Detections):
        overlaps = np.concatenate([_overlaps(one, other), _overlaps(other, one)])
        alone = max(int((overlaps < LEAST_IOU).sum()), abs(len(one) - len(other)))
        return Difference(alone > 0, alone + 1 - float(overlaps.min(initial=1.0)))
    return Difference(differs=False, amount=0.0)


def most_telling(differences: Sequence[Difference]) -> list[int]:
    """Places of at most `SHOWN` pictures: the most different ones, then others evenly spread."""
    ranked = sorted(range(len(differences)), key=lambda n: (not differences[n].differs, -differences[n].amount))
    first = ranked[:MOST_DIFFERENT]
    rest = sorted(ranked[MOST_DIFFERENT:])
    return first + [rest[place] for place in evenly(len(rest), SHOWN - MOST_DIFFERENT)]


def _overlaps(boxes: Detections, others: Detections) -> Any:
    """(N,) the best IoU of each box with one of the others of its class; 0 where there is none."""
    pairs = zip(boxes.boxes, boxes.classes, strict=True)
    best = [np.where(others.classes == kind, iou(box, others.boxes), 0.0).max(initial=0.0) for box, kind in pairs]
    return np.array(best, np.float64)


def _pair(
    frames: Frames,
    number: int,
    said: tuple[Prediction, Prediction],
    found: Difference,
    truth: int | None,
    labels: Sequence[str],
) -> Pair:
    views = [_view(frames[number], prediction, truth, labels) for prediction in said]
    named = None if truth is None else class_name(labels, truth)
    return Pair(frames.names[number], found.differs, named, *views)


def _view(frame: Frame, prediction: Prediction, truth: int | None, labels: Sequence[str]) -> View:
    """Sized before it is drawn, so that the writing can be read."""
    jpeg = drawn_jpeg(frame, prediction, labels, scale=SIDE / max(frame.shape[:2]))
    right = prediction.top(1)[0][0] == truth if isinstance(prediction, Classes) and truth is not None else None
    return View(jpeg, in_words(prediction, labels), right)


def in_words(prediction: Prediction, labels: Sequence[str]) -> str:
    """The best class with its score, or how many objects of each class, the most frequent first."""
    if isinstance(prediction, Classes):
        ((index, score),) = prediction.top(1)
        return f"{class_name(labels, index)} {score:.2f}"
    if isinstance(prediction, Detections):
        counted = Counter(class_name(labels, int(kind)) for kind in prediction.classes)
        return ", ".join(f"{count} {name}" for name, count in counted.most_common()) or "nothing"
    return "tensors"
