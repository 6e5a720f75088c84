"""One axis of a chart: from values to pixels, with ticks at round numbers. Pure."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

LOG_FROM = 4.0
"""The axis of a ratio becomes logarithmic when the largest value is this many times the smallest."""
LEAST_RATIO = 1.3
"""It spans no less than this, so that the noise of a shared machine does not fill the picture."""
NEAR = 0.5
"""A limit is drawn where it is when that lengthens the axis by no more than this share of it."""
ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True)
class Axis:
    """`low`..`high` in the data's unit lies at `start`..`end` in pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def place(self, value: float) -> float:
        """The pixel of a value; values beyond the axis stay at its ends."""
        value = min(max(value, self.low), self.high)
        part = (self._scaled(value) - self._scaled(self.low)) / (self._scaled(self.high) - self._scaled(self.low))
        return self.start + part * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Whether the value lies on the axis."""
        return self.low <= value <= self.high

    def ticks(self) -> list[tuple[float, str]]:
        """Some round numbers on the axis, rising, each with how it is written: 3 to 8 where the span allows."""
        values = self._powers() if self.log else _even(self.low, self.high)
        plain = [f"{value:g}" for value in values]
        decimals = 0 if self.log else max(len(text.partition(".")[2]) for text in plain)
        return [
            (value, f"{value:.{decimals}f}" if decimals else text) for value, text in zip(values, plain, strict=True)
        ]

    def _powers(self) -> tuple[float, ...]:
        coarse, middle, fine = (_decades(self.low, self.high, steps) for steps in ((1,), (1, 2, 5), range(1, 10)))
        return coarse if len(middle) > 8 else fine if len(middle) < 3 else middle

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value


def ratio_axis(low: float, high: float, limit: float | None, start: float, end: float) -> Axis:
    """An axis for positive values of which only ratios matter, such as milliseconds.

    Args:
        low: the smallest value.
        high: the largest value.
        limit: a limit to show too, if it is near.
        start: the pixel of the low end.
        end: the pixel of the high end.
    """
    widen = max(1.0, LEAST_RATIO / (high / low)) ** 0.5
    low, high = low / widen, high * widen
    low, high = _with_limit(low, high, limit)
    if high / low > LOG_FROM:
        room = (high / low) ** 0.08
        return Axis(low / room, high * room, start, end, log=True)
    room = 0.08 * (high - low)
    return Axis(low - room, high + room, start, end)


def share_axis(low: float, high: float, limit: float | None, start: float, end: float) -> Axis:
    """An axis for shares, such as accuracy; the arguments as for `ratio_axis`."""
    low, high = (low, high) if high > low else (low - 0.01, high + 0.01)
    low, high = _with_limit(low, high, limit)
    room = 0.06 * (high - low)
    return Axis(low - room, high + room, start, end)


def _with_limit(low: float, high: float, limit: float | None) -> tuple[float, float]:
    near = NEAR * (high - low)
    if limit is None or not low - near <= limit <= high + near:
        return low, high
    return min(low, limit), max(high, limit)


def _even(low: float, high: float) -> tuple[float, ...]:
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * times for times in ROUND if power * times >= rough * 0.999)
    return tuple(round(n * step, 12) for n in range(math.ceil(low / step), math.floor(high / step) + 1))


def _decades(low: float, high: float, steps: Iterable[int]) -> tuple[float, ...]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    values = (float(f"{step}e{power}") for power in powers for step in steps)
    return tuple(value for value in values if low <= value <= high)
