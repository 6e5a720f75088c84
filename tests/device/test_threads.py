import pytest

from relens.device.threads import fewest_that_pay, measure_threads, thread_choices


@pytest.mark.parametrize(
    ("cores", "tried"),
    [(1, [1]), (2, [1]), (3, [1, 2]), (4, [1, 2, 3]), (8, [1, 2, 4, 7]), (16, [1, 2, 4, 8, 15])],
)
def test_one_core_is_left_for_the_rest_of_the_loop(cores, tried) -> None:
    assert thread_choices(cores) == tried


@pytest.mark.parametrize(
    ("medians_ms", "chosen"),
    [
        ({1: 10.0}, 1),
        ({1: 10.0, 2: 6.0, 3: 4.5}, 3),
        ({1: 10.0, 2: 6.0, 3: 5.9}, 2),  # not worth a core
        ({1: 1.0, 2: 1.2, 4: 2.0}, 1),  # a small model gets slower
        ({1: 10.0, 2: 9.9, 4: 6.0}, 4),
    ],
)
def test_another_core_has_to_pay(medians_ms, chosen) -> None:
    assert fewest_that_pay(medians_ms) == chosen


@pytest.mark.alone
def test_each_number_of_threads_is_really_timed(yolox_bundle) -> None:
    found = measure_threads(yolox_bundle, [1, 2])
    assert list(found) == [1, 2] and min(found.values()) > 0.1
