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
from relens.measure.resampling import average_precision, class_matches
from relens.measure.score import Score
from relens.measure.statistics import percentile_interval
from relens.vision import Detections, Prediction

RESAMPLES = 400
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
            nothing = percentile_interval(0.0, np.zeros(RESAMPLES), n, 0.0)
            return Score(self.name, nothing, n, {"mAP": 0.0, "AP50": 0.0}, np.zeros(RESAMPLES), "bootstrap")
        with contextlib.redirect_stdout(io.StringIO()):
            evaluator = COCOeval(self.coco, self.coco.loadRes(rows), "bbox")
            evaluator.params.areaRng, evaluator.params.areaRngLbl = [[0, 1e10]], ["all"]
            evaluator.params.maxDets = [100]
            evaluator.evaluate()
        thresholds = len(evaluator.params.iouThrs)
        pictures = np.array(evaluator.evalImgs, object).reshape(len(evaluator.params.catIds), n)
        classes = [class_matches(list(row), thresholds) for row in pictures]
        also = _metrics(average_precision(classes, np.ones((1, n), np.int64)))
        draws = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES)
        samples = _metrics(average_precision(classes, draws))
        point = {name: float(values[0]) for name, values in also.items()}
        outcomes = samples[self.headline]
        return Score(
            self.name, percentile_interval(point[self.headline], outcomes, n, 0.0), n, point, outcomes, "bootstrap"
        )


def _metrics(precision: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """mAP and AP50, (R,) each, of (R, T) precision at the IoU thresholds .50 to .95."""
    return {"mAP": precision.mean(axis=1), "AP50": precision[:, 0]}


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
