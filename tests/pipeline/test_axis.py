import math

import pytest

from relens.pipeline.axis import Axis, ratio_axis, share_axis


def test_a_ratio_above_four_is_shown_on_a_logarithmic_axis_and_equal_ratios_are_equally_far() -> None:
    assert not ratio_axis(1, 3, None, 0, 100).log
    axis = ratio_axis(1, 100, None, 0, 100)
    assert axis.log
    assert math.isclose(axis.place(10) - axis.place(1), axis.place(100) - axis.place(10))


def test_equal_values_still_get_an_axis_with_them_in_its_middle() -> None:
    for axis in (ratio_axis(5, 5, None, 0, 100), share_axis(0.5, 0.5, None, 0, 100)):
        value = 5 if axis.low > 1 else 0.5
        assert abs(axis.place(value) - 50) < 5
        assert len(axis.ticks()) >= 3, axis


def test_a_limit_near_the_data_is_on_the_axis_and_a_distant_one_is_not() -> None:
    assert ratio_axis(2, 4, 4.8, 0, 100).holds(4.8)
    distant = ratio_axis(2, 4, 100, 0, 100)
    assert not distant.holds(100) and not distant.log
    assert distant.place(100) == 100, "beyond the axis is at its end"
    assert share_axis(0.8, 0.9, 0.77, 0, 100).holds(0.77)
    assert not share_axis(0.8, 0.9, 0.1, 0, 100).holds(0.1)


@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        (Axis(0.79, 0.96, 0, 1), ["0.80", "0.85", "0.90", "0.95"]),
        (Axis(-0.05, 1.05, 0, 1), ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (Axis(0.4, 2.1, 0, 1), ["0.5", "1.0", "1.5", "2.0"]),
        (Axis(3, 27, 0, 1, log=True), ["5", "10", "20"]),
        (Axis(0.6, 2.9, 0, 1, log=True), ["0.6", "0.7", "0.8", "0.9", "1", "2"]),
        (Axis(0.5, 5e4, 0, 1, log=True), ["1", "10", "100", "1000", "10000"]),
    ],
)
def test_ticks_are_few_and_round(axis: Axis, expected: list[str]) -> None:
    assert [shown for _, shown in axis.ticks()] == expected
