import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from relens.errors import BadData
from relens.measure.agreement import agreement_with
from relens.measure.detection import BoxAP, BoxTruth, _dataset
from relens.vision import Classes, Detections, Tensors


def detections(random: np.random.Generator, count: int) -> Detections:
    corner = random.random((count, 2)) * 80
    boxes = np.concatenate([corner, corner + 10 + random.random((count, 2)) * 30], axis=1).astype(np.float32)
    return Detections(boxes, random.random(count).astype(np.float32), random.integers(0, 3, count))


def jitter(random: np.random.Generator, truth: BoxTruth) -> Detections:
    boxes = truth.boxes + random.normal(0, 2.5, truth.boxes.shape).astype(np.float32)
    extra = detections(random, 2)
    return Detections(
        np.concatenate([boxes, extra.boxes]),
        random.random(len(boxes) + 2).astype(np.float32),
        np.concatenate([truth.classes, extra.classes]),
    )


@pytest.fixture
def truth() -> list[BoxTruth]:
    random = np.random.default_rng(2)
    return [BoxTruth.of(detections(random, int(random.integers(1, 6)))) for _ in range(25)]


def test_map_and_ap50_are_those_of_cocos_own_summary(truth: list[BoxTruth]) -> None:
    random = np.random.default_rng(3)
    found = [jitter(random, item) for item in truth]
    score = BoxAP(truth).score(found)
    coco = COCO()
    with contextlib.redirect_stdout(io.StringIO()):
        coco.dataset = _dataset(truth)
        coco.createIndex()
        rows = [
            {
                "image_id": number,
                "category_id": int(kind),
                "bbox": [float(v) for v in (*box[:2], *(box[2:] - box[:2]))],
                "score": float(confidence),
            }
            for number, item in enumerate(found)
            for box, kind, confidence in zip(item.boxes, item.classes, item.scores, strict=True)
        ]
        evaluator = COCOeval(coco, coco.loadRes(rows), "bbox")
        evaluator.evaluate()
        evaluator.accumulate()
        evaluator.summarize()
    assert (score.also["mAP"], score.also["AP50"]) == pytest.approx(tuple(evaluator.stats[:2]), abs=1e-6)
    assert score.interval.low < score.interval.value < score.interval.high


def test_the_truth_scores_one_and_nothing_scores_zero(truth: list[BoxTruth]) -> None:
    perfect = [Detections(item.boxes, np.ones(len(item.classes), np.float32), item.classes) for item in truth]
    nothing = [Detections(item.boxes[:0], item.area[:0].astype(np.float32), item.classes[:0]) for item in truth]
    metric = BoxAP(truth)
    assert metric.score(perfect).interval.value == pytest.approx(1)
    empty = metric.score(nothing)
    assert empty.interval.value == 0
    assert empty.drop_from(metric.score(perfect)).value == pytest.approx(1)


def test_a_paired_drop_is_tighter_than_the_two_intervals_apart(truth: list[BoxTruth]) -> None:
    random = np.random.default_rng(3)
    first = [jitter(random, item) for item in truth]
    second = [
        Detections(item.boxes + random.normal(0, 0.3, item.boxes.shape).astype(np.float32), item.scores, item.classes)
        for item in first
    ]
    metric = BoxAP(truth)
    a, b = metric.score(first), metric.score(second)
    drop = b.drop_from(a)
    assert drop.low <= a.interval.value - b.interval.value <= drop.high
    assert drop.high - drop.low < a.interval.high - a.interval.low


def test_agreement_takes_what_the_float_model_shows_as_the_truth(truth: list[BoxTruth]) -> None:
    shown = [Detections(item.boxes, np.ones(len(item.classes), np.float32), item.classes) for item in truth]
    metric = agreement_with(shown)
    assert (metric.name, metric.score(shown).interval.value) == ("agreement (AP50)", pytest.approx(1))


def test_a_float_model_that_sees_nothing_cannot_be_agreed_with() -> None:
    nothing = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
    with pytest.raises(BadData, match="detects nothing"):
        agreement_with([nothing, nothing])


def test_agreement_of_classes_and_of_tensors() -> None:
    said = [Classes(np.array(row, np.float32)) for row in ([0.9, 0.1], [0.2, 0.8], [0.6, 0.4])]
    other = [Classes(np.array(row, np.float32)) for row in ([0.8, 0.2], [0.7, 0.3], [0.6, 0.4])]
    assert agreement_with(said).score(other).interval.value == pytest.approx(2 / 3)
    values = [Tensors({"x": np.array([1.0, 0.0], np.float32)}), Tensors({"x": np.array([0.0, 2.0], np.float32)})]
    turned = [Tensors({"x": np.array([1.0, 1.0], np.float32)}), Tensors({"x": np.array([0.0, 1.0], np.float32)})]
    found = agreement_with(values).score(turned).interval.value
    assert found == pytest.approx((1 / np.sqrt(2) + 1) / 2)
