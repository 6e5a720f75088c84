"""How long the stages of the loop take, and how many frames a second come out."""

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from threading import Lock
from time import monotonic

STAGES = ("capture", "prepare", "infer", "decode", "publish")


@dataclass(frozen=True)
class StageTime:
    """One stage over the window, in milliseconds."""

    median_ms: float
    p90_ms: float


BOUNDS_MS = (1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0)


@dataclass(frozen=True)
class Histogram:
    """All durations of one stage. counts: above one of `BOUNDS_MS` and up to the next, from 0 to infinity."""

    counts: tuple[int, ...]
    total_ms: float


class Timings:
    """The newest `window` durations of each stage, and how all of them were spread."""

    def __init__(self, window: int = 256) -> None:
        self._durations: dict[str, deque[float]] = {stage: deque(maxlen=window) for stage in STAGES}
        self._counts = {stage: [0] * (len(BOUNDS_MS) + 1) for stage in STAGES}
        self._totals_ms = dict.fromkeys(STAGES, 0.0)
        self._lock = Lock()

    def add(self, stage: str, duration_ms: float) -> None:
        """Note one duration."""
        with self._lock:
            self._durations[stage].append(duration_ms)
            self._counts[stage][bisect_left(BOUNDS_MS, duration_ms)] += 1
            self._totals_ms[stage] += duration_ms

    def summary(self) -> dict[str, StageTime]:
        """Median and 90th percentile of every stage that has run, in the order of `STAGES`."""
        with self._lock:
            copies = {stage: list(window) for stage, window in self._durations.items() if window}
        ordered = {stage: sorted(values) for stage, values in copies.items()}
        return {stage: StageTime(quantile(values, 0.5), quantile(values, 0.9)) for stage, values in ordered.items()}

    def histograms(self) -> dict[str, Histogram]:
        """Of every stage, since the loop began."""
        with self._lock:
            return {stage: Histogram(tuple(self._counts[stage]), self._totals_ms[stage]) for stage in STAGES}


def quantile(ordered: list[float], fraction: float) -> float:
    """The value at a fraction 0..1 of an ordered, non-empty list (nearest rank)."""
    return ordered[min(len(ordered) - 1, int(fraction * len(ordered)))]


class Rate:
    """Counts moments, and how many come in a second."""

    def __init__(self, window_s: float = 5.0) -> None:
        self.count = 0
        self.first_s = self.last_s = monotonic()
        self._window_s = window_s
        self._recent: deque[float] = deque()
        self._lock = Lock()

    def tick(self) -> None:
        """Count this moment."""
        now = monotonic()
        with self._lock:
            self.first_s = now if self.count == 0 else self.first_s
            self.last_s = now
            self.count += 1
            self._recent.append(now)
            self._forget(now)

    def per_second(self) -> float:
        """Over the sliding window; 0 when nothing came in it."""
        with self._lock:
            self._forget(monotonic())
            return _rate(len(self._recent), self._recent[-1] - self._recent[0]) if self._recent else 0.0

    def overall(self) -> float:
        """From the first to the last."""
        return _rate(self.count, self.last_s - self.first_s)

    def _forget(self, now: float) -> None:
        while self._recent and now - self._recent[0] > self._window_s:
            self._recent.popleft()


def _rate(count: int, seconds: float) -> float:
    return (count - 1) / seconds if count > 1 and seconds > 0 else 0.0
