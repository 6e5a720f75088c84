"""What a verdict has to show in a chart: its measured options, its limits and its Pareto front. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from relens.measure.statistics import Interval
from relens.pipeline.verdict import Verdict


@dataclass(frozen=True)
class Mark:
    """One measured option. missed: it does not reach a goal."""

    candidate: str
    engine: str
    accuracy: Interval
    latency_ms: float
    p90_ms: float
    size_mb: float
    chosen: bool = False
    reference: bool = False
    missed: bool = False

    @property
    def name(self) -> str:
        """As the option's: `int8 on litert`."""
        return f"{self.candidate} on {self.engine}"

    @property
    def told(self) -> str:
        """Everything about it, one fact a line."""
        state = "chosen" if self.chosen else "misses a goal" if self.missed else "meets every goal"
        times = f"{self.latency_ms:.2f} ms, p90 {self.p90_ms:.2f} ms"
        return f"{self.name}: {state}\naccuracy {self.accuracy}\n{times}\n{self.size_mb:.2f} MB"


@dataclass(frozen=True)
class Limits:
    """The goals for accuracy and latency; None: not set, or not provable on this machine."""

    least_accuracy: float | None = None
    most_latency_ms: float | None = None


def marks_of(verdict: Verdict) -> tuple[Mark, ...]:
    """The options that have both an accuracy and a latency; an accuracy that is not a number has no place."""
    return tuple(
        Mark(
            judged.option.candidate.name,
            judged.option.engine,
            judged.option.score.interval,
            judged.option.latency.median_ms,
            judged.option.latency.p90_ms,
            judged.option.size_mb,
            chosen=judged is verdict.chosen,
            reference=judged.option.is_reference,
            missed=not judged.acceptable,
        )
        for judged in verdict.judged
        if judged.option.score and judged.option.latency and math.isfinite(judged.option.score.interval.value)
    )


def limits_of(verdict: Verdict) -> Limits:
    """The goals as values on the axes: the drop is counted from the float model's own accuracy."""
    least = latency = None
    for judged in verdict.judged:
        goals = {goal.goal: goal.limit for goal in judged.goals if goal.state != "unproven"}
        if "accuracy drop" in goals and judged.option.score and judged.option.drop:
            baseline = judged.option.score.interval.value + judged.option.drop.value
            least = baseline - goals["accuracy drop"] if math.isfinite(baseline) else least
        latency = goals.get("latency", latency)
    return Limits(least, latency)


def front(marks: Sequence[Mark]) -> list[Mark]:
    """The Pareto front, fastest first: those that no other one equals or beats in both accuracy and latency."""
    best: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.latency_ms, -mark.accuracy.value)):
        if not best or mark.accuracy.value > best[-1].accuracy.value:
            best.append(mark)
    return best


def engines(marks: Sequence[Mark]) -> list[str]:
    """The engines, in the order of their colours and shapes."""
    return sorted({mark.engine for mark in marks})
