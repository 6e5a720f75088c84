import logging

import pytest

from relens.device.failures import Failures
from relens.errors import DeviceTrouble


def fail() -> int:
    raise ValueError("NaN in boxes")


def test_a_failure_is_counted_and_work_goes_on() -> None:
    failures = Failures()
    assert failures.attempt("decode", 0, fail) is None
    assert failures.attempt("decode", 1, lambda: 7) == 7
    assert (failures.total, failures.counts["decode"]) == (1, 1)


def test_a_success_in_between_forgives_and_thirty_in_a_row_do_not() -> None:
    failures = Failures(in_a_row=30)
    for _ in range(29):
        failures.attempt("decode", 0, fail)
    failures.attempt("decode", 1, lambda: 7)
    for number in range(29):
        failures.attempt("decode", number, fail)
        failures.attempt("publish", number, lambda: None)
    with pytest.raises(DeviceTrouble, match=r"RL-DEVICE-002: decode failed on 30 frames in a row.*frame 99.*NaN"):
        failures.attempt("decode", 99, fail)


def test_many_failures_write_few_lines(caplog: pytest.LogCaptureFixture) -> None:
    failures = Failures(in_a_row=None)
    with caplog.at_level(logging.WARNING):
        for number in range(500):
            failures.attempt("decode", number, fail)
            failures.attempt("publish", number, fail)
    assert [record.args[1] for record in caplog.records] == ["decode", "publish"]
    assert failures.total == 1000


def test_ctrl_c_is_no_failure_of_a_frame() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Failures().attempt("decode", 0, interrupt)
