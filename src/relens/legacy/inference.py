"""A bundle as `awscam.Model` has it: arrays in, arrays by name out, and a parser for them."""

from dataclasses import dataclass
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.bundle import Bundle
from relens.engines import load_engine
from relens.errors import LegacyTrouble
from relens.legacy.feeds import feed, prepare
from relens.legacy.numbering import Numbering
from relens.spec import this_machine
from relens.vision import Classes, Detections, Prediction, VisionModel
from relens.vision.placement import place

DETECTION_OUT = "detection_out"
"""What the SSD models of a DeepLens called their output."""

LOWEST_SCORE = 0.05
"""Of boxes that a function gets to see: it has a threshold of its own, above this."""

END = np.array([[-1, 0, 0, 0, 0, 0, 0]], np.float32)
"""A row that ends the list, as OpenVINO's DetectionOutput has it."""

WHOLE = place((1, 1), (1, 1), "stretch")
"""Class scores are of the whole picture, wherever it is placed."""

Raw = dict[Any, NDArray[np.float32]]


@dataclass(frozen=True)
class Answer:
    """What a model said to one picture. raw: arrays by name, batch first. size: height and width of what was fed."""

    raw: Raw
    prediction: Prediction
    size: tuple[int, int]
    took_ms: float


class Inference:
    """A loaded bundle. Safe for use from several threads, one at a time.

    Args:
        bundle: an opened one.
        numbering: how the function numbers classes.
    """

    def __init__(self, bundle: Bundle, numbering: Numbering) -> None:
        self.name, self.labels, self.task = bundle.manifest.name, bundle.labels, bundle.manifest.task
        needs = bundle.manifest.needs
        engine = load_engine(bundle.model, needs.engine, needs.threads or this_machine().engine_threads)
        output = bundle.manifest.output_spec
        self.model = VisionModel(engine, bundle.manifest.input, output, score_threshold=LOWEST_SCORE)
        self._numbering = numbering
        self._numbers: list[int | None] = []
        self._lock = Lock()

    def run(self, given: Any) -> Answer:
        """Infer once on what a function gave to `doInference`; see `relens.legacy.feeds`.

        Raises:
            LegacyTrouble: RL-LEGACY-005 when that is no picture.
        """
        fed = feed(given)
        with self._lock:
            began = perf_counter()
            prepared = prepare(fed, self.model.preprocessor, self.model.engine.inputs[0])
            outputs = self.model.infer(prepared)
            prediction = self.model.decode(outputs, prepared.placement)
            took_ms = (perf_counter() - began) * 1e3
        raw: Raw = dict(outputs)
        if isinstance(prediction, Detections):
            raw = {DETECTION_OUT: self._detection_output(prediction, fed.size), **raw}
        return Answer(raw, prediction, fed.size, took_ms)

    def parse(self, kind: str, raw: Raw, size: tuple[int, int]) -> list[dict[str, Any]]:
        """What `parseResult` gives for its kind, best first. size: height and width of what was fed.

        Raises:
            LegacyTrouble: RL-LEGACY-005 when the model is of another kind.
        """
        wanted = {"classification": "classification", "ssd": "detection", "segmentation": "tensors"}.get(kind)
        if wanted != self.task:
            raise LegacyTrouble(
                "RL-LEGACY-005",
                f"the function parses `{self.name}` as {kind!r}, and its bundle is made for {self.task}",
                hint="give it a bundle with the right [output] decoder: relens inspect BUNDLE shows what it has",
            )
        if kind == "classification":
            return self._classes(raw)
        return self._boxes(raw, size) if kind == "ssd" else _masks(raw)

    def _classes(self, raw: Raw) -> list[dict[str, Any]]:
        named = {str(name): np.asarray(values, np.float32) for name, values in raw.items()}
        wanted = self.model.engine.outputs[0].name
        named.setdefault(wanted, next(iter(named.values())))  # a function may have given it a name of its own
        found = self.model.decode(named, WHOLE)
        if not isinstance(found, Classes):
            raise TypeError(f"a classifier's decoder gave {type(found).__name__}")
        numbers = self._numbers_of(len(found.scores))
        ranked = [(numbers[index], score) for index, score in found.top(len(found.scores))]
        return [{"label": number, "prob": score} for number, score in ranked if number is not None]

    def _boxes(self, raw: Raw, size: tuple[int, int]) -> list[dict[str, Any]]:
        height, width = size
        rows = np.asarray(raw[DETECTION_OUT], np.float32).reshape(-1, 7)
        ends = np.flatnonzero(rows[:, 0] < 0)
        rows = rows[: ends[0]] if len(ends) else rows
        rows = rows[np.argsort(-rows[:, 2], kind="stable")]
        pixels = rows[:, 3:] * np.array([width, height, width, height], np.float32)
        return [
            {"label": int(row[1]), "prob": float(row[2]), **dict(zip(_EDGES, map(float, box), strict=True))}
            for row, box in zip(rows, pixels, strict=True)
        ]

    def _detection_output(self, found: Detections, size: tuple[int, int]) -> NDArray[np.float32]:
        """(1, 1, N, 7): image, label, score and the box as fractions of what was fed."""
        height, width = size
        numbers = self._numbers_of(int(found.classes.max(initial=-1)) + 1)
        labels = [numbers[int(kind)] for kind in found.classes]
        kept = [row for row, label in enumerate(labels) if label is not None]
        known = np.array([labels[row] for row in kept], np.float32)
        boxes = found.boxes[kept] / np.array([width, height, width, height], np.float32)
        rows = np.column_stack([np.zeros(len(kept), np.float32), known, found.scores[kept], boxes])
        return np.concatenate([rows.reshape(-1, 7), END]).astype(np.float32)[None, None]

    def _numbers_of(self, classes: int) -> list[int | None]:
        if len(self._numbers) < max(classes, len(self.labels), 1):
            self._numbers = self._numbering.of(self.labels, max(classes, 1), detects=self.task == "detection")
        return self._numbers


_EDGES = ("xmin", "ymin", "xmax", "ymax")


def _masks(raw: Raw) -> list[dict[str, Any]]:
    """A class map's classes, the largest first: label, mean score and mask (H, W) of each."""
    scores = np.asarray(next(iter(raw.values())), np.float32)
    scores = scores[0] if scores.ndim == 4 else scores
    if scores.ndim != 3:
        raise LegacyTrouble(
            "RL-LEGACY-005",
            f"the function parses an output of shape {scores.shape} as 'segmentation'",
            hint="a segmentation gives scores for every pixel and class, (1, height, width, classes)",
        )
    best = scores.argmax(axis=2)
    masks = [(int(label), best == label) for label in np.unique(best)]
    masks.sort(key=lambda pair: -int(pair[1].sum()))
    return [{"label": label, "prob": float(scores[..., label][mask].mean()), "mask": mask} for label, mask in masks]
