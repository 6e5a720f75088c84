"""Average precision over many resamples of the pictures at once. Pure numpy on matches that pycocotools made once.

The definition is COCO's: detections of a class in order of score, precision made monotone, read at 101 recalls,
averaged over classes and IoU thresholds. A picture that a resample holds twice counts twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RECALLS = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class ClassMatches:
    """One class over all pictures, detections in falling order of score.

    picture: (D,) index of each detection's picture. hit, miss: (T, D) bool for each IoU threshold.
    truths: (I,) how many boxes of the class each picture holds.
    """

    picture: NDArray[np.int64]
    hit: NDArray[np.bool_]
    miss: NDArray[np.bool_]
    truths: NDArray[np.int64]


def class_matches(pictures: Sequence[dict[str, Any] | None], thresholds: int) -> ClassMatches:
    """Gather one class from `COCOeval.evalImgs`: one entry a picture, None where the class does not occur."""
    found = [(index, item) for index, item in enumerate(pictures) if item is not None]
    truths = np.zeros(len(pictures), np.int64)
    for index, item in found:
        truths[index] = int(np.sum(np.asarray(item["gtIgnore"]) == 0))
    none = np.zeros((thresholds, 0))
    matched = np.concatenate([none, *(np.asarray(item["dtMatches"]) for _, item in found)], axis=1) > 0
    ignored = np.concatenate([none, *(np.asarray(item["dtIgnore"]) for _, item in found)], axis=1) > 0
    scores = np.array([score for _, item in found for score in item["dtScores"]])
    picture = np.array([index for index, item in found for _ in item["dtScores"]], np.int64)
    order = np.argsort(-scores, kind="mergesort")
    counted = ~ignored
    return ClassMatches(picture[order], (matched & counted)[:, order], (~matched & counted)[:, order], truths)


def average_precision(classes: Sequence[ClassMatches], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """(R, T) average precision for R resamples and T IoU thresholds, averaged over the classes with truth.

    Args:
        classes: what `class_matches` gathered.
        counts: (R, I) how often each resample holds each picture.
    """
    rows = [_of_class(item, counts) for item in classes]
    kept = np.stack(rows)  # (K, R, T), NaN where a resample holds no box of the class
    present = ~np.isnan(kept)
    mean: NDArray[np.float64] = np.where(present, kept, 0).sum(0) / np.maximum(present.sum(0), 1)
    return mean


def _of_class(item: ClassMatches, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    truths = counts @ item.truths
    weight = counts[:, item.picture]
    columns = [_of_threshold(weight, hit, miss, truths) for hit, miss in zip(item.hit, item.miss, strict=True)]
    precision = np.stack(columns, axis=1)
    precision[truths == 0] = np.nan
    return precision


def _of_threshold(
    weight: NDArray[np.int64], hit: NDArray[np.bool_], miss: NDArray[np.bool_], truths: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(R,) mean precision at the 101 recalls."""
    hits, misses = np.cumsum(weight * hit, axis=1), np.cumsum(weight * miss, axis=1)
    precision = hits / np.maximum(hits + misses, np.spacing(1))
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
    # Hits rise along each row; shifted row by row, all rows make one sorted list, searched in one go. In integers,
    # because a shift would round recalls that lie on one of the 101 marks to the wrong side.
    resamples, detections = hits.shape
    shift = (int(truths.max(initial=0)) + detections + 2) * np.arange(resamples)[:, None]
    needed = _needed_hits(np.maximum(truths, 1))
    place = np.searchsorted((hits + shift).ravel(), (needed + shift).ravel(), side="left").reshape(resamples, -1)
    place -= detections * np.arange(resamples)[:, None]
    padded = np.concatenate([precision, np.zeros((resamples, 1))], axis=1)
    read: NDArray[np.float64] = np.take_along_axis(padded, np.clip(place, 0, detections), axis=1)
    return np.asarray(read.mean(axis=1), np.float64)


def _needed_hits(truths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(R, 101) the fewest hits whose recall, as a float, reaches each of the 101 marks."""
    boxes = truths[:, None]
    guess = np.ceil(RECALLS * boxes)
    guess = np.where((guess - 1) / boxes >= RECALLS, guess - 1, guess)
    return np.where(guess / boxes < RECALLS, guess + 1, guess).astype(np.int64)
