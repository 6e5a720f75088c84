"""mAP and AP50 against boxes, by pycocotools, with a bootstrap interval over pictures."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from relens.errors import BadData
from relens.measure.score import Score
from relens.measure.statistics import percentile_interval
from relens.vision import Detections, Prediction

RESAMPLES = 200
SEED = 20260101


@dataclass(frozen=True)
class BoxTruth:
    """Boxes of one picture. boxes: (N, 4) x1 y1 x2 y2 in pixels; classes: (N,); crowd: (N,) bool; area: (N,)."""

    boxes: NDArray[np.float32]
    classes: NDArray[np.int64]
    crowd: NDArray[np.bool_]
    area: NDArray[np.float64]

    @classmethod
    def of(cls, found: Detections) -> "BoxTruth":
        """Take a model's detections as the truth, to measure agreement with it."""
        size = found.boxes[:, 2:] - found.boxes[:, :2]
        return cls(
            found.boxes,
            found.classes,
            np.zeros(len(found), np.bool_),
            np.prod(size, axis=1, dtype=np.float64),
        )


class BoxAP:
    """COCO average precision.

    Args:
        truth: the boxes of each picture.
        headline: "mAP" (IoU .50 to .95) or "AP50"; the other one is reported beside it.
        name: what to call it.
    """

    def __init__(self, truth: Sequence[BoxTruth], headline: str = "mAP", name: str | None = None) -> None:
        self.truth = truth
        self.headline = headline
        self.name = name or headline
        with contextlib.redirect_stdout(io.StringIO()):
            self.coco = COCO()
            self.coco.dataset = _dataset(truth)
            self.coco.createIndex()

    def score(self, predictions: Sequence[Prediction]) -> Score:
        """Score one candidate; the interval is the bootstrap's over pictures."""
        rows = _rows(predictions)
        n = len(self.truth)
        if not len(rows):
            nothing = percentile_interval(0.0, np.zeros(RESAMPLES), n)
            return Score(self.name, nothing, n, {"mAP": 0.0, "AP50": 0.0}, np.zeros(RESAMPLES), "bootstrap")
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator = COCOeval(self.coco, self.coco.loadRes(rows), "bbox")
            evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
            evaluator.params.maxDets = [100]
            evaluator.evaluate()
            matched = np.array(evaluator.evalImgs, object).reshape(len(evaluator.params.catIds), 1, n)
            also = _average_precision(evaluator, matched, np.arange(n))
            draws = np.random.default_rng(SEED).integers(0, n, (RESAMPLES, n))
            samples = [_average_precision(evaluator, matched, draw)[self.headline] for draw in draws]
        outcomes = np.array(samples)
        return Score(self.name, percentile_interval(also[self.headline], outcomes, n), n, also, outcomes, "bootstrap")


def _average_precision(evaluator: Any, matched: NDArray[Any], pictures: NDArray[np.int64]) -> dict[str, float]:
    """mAP and AP50 over `pictures` (indices, repeats allowed), from the matches that were made once."""
    evaluator.evalImgs = list(matched[:, :, pictures].reshape(-1))
    evaluator.params.imgIds = evaluator._paramsEval.imgIds = [int(i) for i in pictures]
    evaluator.accumulate()
    precision = evaluator.eval["precision"]  # (IoU, recall, class, area, detections), -1 where there is no truth

    def mean(part: NDArray[np.float64]) -> float:
        return float(part[part > -1].mean()) if (part > -1).any() else 0.0

    return {"mAP": mean(precision), "AP50": mean(precision[0])}


def _dataset(truth: Sequence[BoxTruth]) -> dict[str, Any]:
    kinds = sorted({int(kind) for item in truth for kind in item.classes})
    if not kinds:
        raise BadData(
            "RL-DATA-004",
            "there is not one box in the validation pictures",
            hint="add pictures with objects in them",
        )
    boxes = [
        {
            "image_id": picture,
            "category_id": int(kind),
            "bbox": _xywh(box),
            "area": float(area),
            "iscrowd": int(crowd),
        }
        for picture, item in enumerate(truth)
        for box, kind, area, crowd in zip(item.boxes, item.classes, item.area, item.crowd, strict=True)
    ]
    return {
        "info": {},
        "images": [{"id": picture} for picture in range(len(truth))],
        "categories": [{"id": kind} for kind in kinds],
        "annotations": [{"id": number, **box} for number, box in enumerate(boxes, 1)],
    }


def _xywh(box: NDArray[np.float32]) -> list[float]:
    x1, y1, x2, y2 = (float(edge) for edge in box)
    return [x1, y1, x2 - x1, y2 - y1]


def _rows(predictions: Sequence[Prediction]) -> NDArray[np.float64]:
    """(N, 7) picture, x, y, width, height, score, class, as `COCO.loadRes` takes them."""
    rows = [
        [picture, *_xywh(box), float(score), int(kind)]
        for picture, found in enumerate(predictions)
        if isinstance(found, Detections)
        for box, score, kind in zip(found.boxes, found.scores, found.classes, strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, 7)
