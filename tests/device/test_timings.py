import subprocess
import sys
import time

import numpy as np
import pytest

from relens.device.timings import BOUNDS_MS, STAGES, Histogram, Rate, Timings


def test_median_and_p90_are_those_of_the_newest_durations() -> None:
    timings = Timings(window=101)
    for duration in np.random.default_rng(0).permutation(500):
        timings.add("infer", 1e6)  # forgotten again
        timings.add("infer", float(duration))
    values = np.arange(101.0)
    for value in np.random.default_rng(1).permutation(values):
        timings.add("infer", float(value))
    found = timings.summary()["infer"]
    assert (found.median_ms, found.p90_ms) == (np.median(values), np.percentile(values, 90))


def test_stages_that_have_not_run_are_left_out_and_the_others_are_in_order() -> None:
    timings = Timings()
    for stage in reversed(STAGES[1:]):
        timings.add(stage, 1.0)
    assert tuple(timings.summary()) == STAGES[1:]


def test_a_rate_counts_per_second_and_falls_to_zero_when_nothing_comes() -> None:
    rate = Rate(window_s=0.3)
    assert rate.per_second() == rate.overall() == 0
    for _ in range(11):
        rate.tick()
        time.sleep(0.01)
    elapsed = rate.last_s - rate.first_s
    assert rate.per_second() == pytest.approx(10 / elapsed)
    assert rate.overall() == pytest.approx(10 / elapsed)
    time.sleep(0.35)
    assert (rate.per_second(), rate.count) == (0, 11)


def test_every_duration_is_in_the_histogram_also_those_the_window_has_forgotten() -> None:
    timings = Timings(window=2)
    for duration_ms in (0.2, 1.0, 1.1, 40.0, 99999.0):
        timings.add("infer", duration_ms)
    found = timings.histograms()
    assert found["infer"] == Histogram((2, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1), pytest.approx(100041.3))
    assert len(found["infer"].counts) == len(BOUNDS_MS) + 1
    assert sum(found["capture"].counts) == 0 == found["capture"].total_ms


def test_memory_is_read_in_units_of_a_million_bytes() -> None:
    # In a process of its own: this one may have room left from tests before.
    script = (
        "import numpy as np; from relens.measure.process import process_memory\n"
        "before = process_memory(); held = np.ones(50_000_000, np.uint8); after = process_memory()\n"
        "print(before.resident_mb, after.resident_mb, after.peak_mb)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    before, after, peak = map(float, done.stdout.split())
    assert 45 < after - before < 60, (before, after)
    assert peak >= after
