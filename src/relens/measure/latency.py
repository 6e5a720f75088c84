"""Latency, interleaved: every candidate and engine takes its turn in each round, in random order."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Latency:
    """Milliseconds of one inference: over `n` timed runs after `warm_up` ones."""

    median_ms: float
    p90_ms: float
    p99_ms: float
    n: int
    warm_up: int

    def __str__(self) -> str:
        return f"{self.median_ms:.2f} ms (p90 {self.p90_ms:.2f}, p99 {self.p99_ms:.2f}, n = {self.n})"

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded to a microsecond."""
        return {key: round(value, 3) for key, value in vars(self).items()}


def summarize(times_ms: Sequence[float] | NDArray[np.float64], warm_up: int) -> Latency:
    """Median, 90th and 99th percentile."""
    median, p90, p99 = np.percentile(np.asarray(times_ms), [50, 90, 99])
    return Latency(float(median), float(p90), float(p99), len(times_ms), warm_up)


def interleaved(
    runs: Mapping[str, Callable[[], object]],
    *,
    seconds: float = 20.0,
    burst: int = 5,
    warm_up: int = 5,
    least_rounds: int = 5,
    progress: Callable[[float], None] | None = None,
) -> dict[str, Latency]:
    """Time several ways of running side by side, so that a noisy hour hits them all.

    Args:
        runs: name -> a call that infers once.
        seconds: about how long the timing may take in all.
        burst: timed runs a turn; one untimed run goes before, to have its weights back in the caches.
        warm_up: untimed runs of each before the first round.
        least_rounds: rounds made even if they take longer.
        progress: told the fraction done, 0..1.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    order = np.random.default_rng(0)
    for run in runs.values():
        for _ in range(warm_up):
            run()
    start = time.perf_counter()
    rounds = 0
    while rounds < least_rounds or time.perf_counter() - start < seconds:
        for name in order.permutation(list(runs)):
            times[name] += _burst(runs[name], burst)
        rounds += 1
        if progress is not None:
            progress(min(1.0, (time.perf_counter() - start) / seconds))
    return {name: summarize(values, warm_up) for name, values in times.items()}


def _burst(run: Callable[[], object], count: int) -> list[float]:
    run()
    times = []
    for _ in range(count):
        before = time.perf_counter()
        run()
        times.append((time.perf_counter() - before) * 1e3)
    return times
