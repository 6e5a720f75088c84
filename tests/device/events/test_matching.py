import numpy as np

from relens.device.events.matching import match, overlaps
from relens.vision.decoders.suppression import iou


def test_overlaps_are_those_of_suppression_one_by_one() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 100, (2, 12, 2))
    ones, others = np.concatenate([corners[0], corners[0] + rng.uniform(1, 60, (12, 2))], axis=1), corners[1]
    others = np.concatenate([others, others + rng.uniform(1, 60, (12, 2))], axis=1)
    expected = [iou(one.astype(np.float32), others.astype(np.float32)) for one in ones]
    np.testing.assert_allclose(overlaps(ones, others), expected, rtol=1e-4, atol=1e-6)


def test_the_most_alike_are_matched_first_and_each_once() -> None:
    likeness = np.array([[0.9, 0.8, 0.0], [0.8, 0.1, 0.0], [0.0, 0.0, 0.3]])
    rows, columns = match(likeness, 0.2)
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(0, 0), (2, 2)]


def test_what_is_too_different_is_not_matched() -> None:
    rows, columns = match(np.array([[0.19, 0.2]]), 0.2)
    assert (rows.tolist(), columns.tolist()) == ([0], [1])
    rows, columns = match(np.zeros((0, 3)), 0.2)
    assert (rows.tolist(), columns.tolist()) == ([], [])
