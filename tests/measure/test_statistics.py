import numpy as np
import pytest

from relens.measure.statistics import mean_interval, paired_difference, percentile_interval, wilson


def test_wilson_gives_the_textbook_interval() -> None:
    # Newcombe, Statistics in Medicine 1998, table I: 81 of 263, and 0 of 20.
    assert (wilson(81, 263).low, wilson(81, 263).high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert (wilson(0, 20).low, wilson(0, 20).high) == pytest.approx((0.0, 0.1611), abs=5e-5)


def test_a_paired_difference_covers_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    covered = 0
    for _ in range(2000):
        both = random.random(200)
        reference, candidate = both < 0.90, (both < 0.88) ^ (random.random(200) < 0.02)
        truth = 0.90 - (0.88 * 0.98 + 0.12 * 0.02)
        interval = paired_difference(reference, candidate)
        covered += interval.low <= truth <= interval.high
    # 0.927 in this regime of few, correlated differences; plain Wald gives less.
    assert 0.92 <= covered / 2000 <= 0.99, covered / 2000


def test_two_models_that_never_differ_are_still_not_certain() -> None:
    same = np.ones(300, np.bool_)
    interval = paired_difference(same, same)
    assert interval.value == 0 and -0.02 < interval.low < 0 < interval.high < 0.02


def test_a_bootstrap_that_never_varies_is_not_certain_either() -> None:
    interval = percentile_interval(1.0, np.ones(200), 60)
    assert (interval.low, interval.high) == (0.95, 1.0)


def test_a_mean_has_a_normal_interval() -> None:
    interval = mean_interval(np.array([1.0, 2.0, 3.0, 4.0]))
    assert interval.value == 2.5 and interval.high - 2.5 == pytest.approx(1.96 * 1.29099 / 2, rel=1e-3)
