import numpy as np
import pytest

from relens.measure.resampling import RECALLS, ClassMatches, average_precision


def plainly(item: ClassMatches, pictures: list[int], threshold: int) -> float:
    """The textbook way, one resample at a time: repeat the pictures, sort, accumulate, read at 101 recalls."""
    places = [place for picture in pictures for place in np.flatnonzero(item.picture == picture)]
    hits, misses, points = 0, 0, []
    truths = sum(int(item.truths[picture]) for picture in pictures)
    for place in sorted(places):
        hits += int(item.hit[threshold, place])
        misses += int(item.miss[threshold, place])
        points.append((hits / truths, hits / max(hits + misses, 1)))
    best = [max((p for r, p in points if r >= recall), default=0.0) for recall in RECALLS]
    return float(np.mean(best))


def test_many_resamples_at_once_equal_one_at_a_time() -> None:
    random = np.random.default_rng(4)
    hit = random.random((2, 40)) < 0.5
    item = ClassMatches(random.integers(0, 8, 40), hit, ~hit, random.integers(10, 15, 8))
    draws = [list(random.integers(0, 8, 8)) for _ in range(20)]
    counts = np.array([np.bincount(draw, minlength=8) for draw in draws])
    found = average_precision([item], counts)
    for row, draw in enumerate(draws):
        for threshold in (0, 1):
            assert found[row, threshold] == pytest.approx(plainly(item, draw, threshold), abs=1e-12)


def test_a_class_that_a_resample_lost_does_not_count() -> None:
    yes, no = np.ones((1, 1), np.bool_), np.zeros((1, 1), np.bool_)
    first = ClassMatches(np.array([0]), yes, no, np.array([1, 0]))
    second = ClassMatches(np.array([1]), no, yes, np.array([0, 1]))
    found = average_precision([first, second], np.array([[1, 1], [2, 0], [0, 2]]))
    assert found.ravel().tolist() == [0.5, 1.0, 0.0]
