"""How long the stages of the loop take, and how many frames a second come out."""

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


class Timings:
    """The newest `window` durations of each stage."""

    def __init__(self, window: int = 256) -> None:
        self._durations: dict[str, deque[float]] = {stage: deque(maxlen=window) for stage in STAGES}
        self._lock = Lock()

    def add(self, stage: str, duration_ms: float) -> None:
        """Note one duration."""
        with self._lock:
            self._durations[stage].append(duration_ms)

    def summary(self) -> dict[str, StageTime]:
        """Median and 90th percentile of every stage that has run, in the order of `STAGES`."""
        with self._lock:
            copies = {stage: list(window) for stage, window in self._durations.items() if window}
        ordered = {stage: sorted(values) for stage, values in copies.items()}
        return {stage: StageTime(quantile(values, 0.5), quantile(values, 0.9)) for stage, values in ordered.items()}


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
