"""Goals against measurements: which option is chosen, and why each other one lost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from relens.engines.kernels import NATIVE
from relens.pipeline.option import Option
from relens.spec import Device, Goals

EQUAL = 1.10
"""Latencies, memories and sizes within 10 % count as equal: a shared machine does not repeat itself more closely."""

State = Literal["met", "missed", "unproven"]


@dataclass(frozen=True)
class GoalResult:
    """One goal of one option. `unproven`: it cannot be measured here, and the camera's acceptance will decide."""

    goal: str
    limit: float
    found: float | None
    unit: str
    state: State
    note: str = ""

    def __str__(self) -> str:
        found = "not measured" if self.found is None else f"{self.found:.4g}"
        sign = {"met": "<=", "missed": ">", "unproven": "vs"}[self.state]
        note = f" ({self.note})" if self.note else ""
        return f"{self.goal} {found} {sign} {self.limit:.4g} {self.unit}".rstrip() + note


@dataclass(frozen=True)
class Judged:
    """An option with its goals, and the one line that says why it was chosen or not."""

    option: Option
    goals: tuple[GoalResult, ...]
    reason: str

    @property
    def acceptable(self) -> bool:
        """Whether no goal is missed."""
        return self.option.refused is None and all(goal.state != "missed" for goal in self.goals)

    def to_json(self) -> dict[str, Any]:
        """Plain values for the report."""
        goals = [{**vars(goal)} for goal in self.goals]
        return {**self.option.to_json(), "goals": goals, "acceptable": self.acceptable, "reason": self.reason}


@dataclass(frozen=True)
class Verdict:
    """What was decided: the chosen option, or None when no option meets every goal."""

    chosen: Judged | None
    others: tuple[Judged, ...]

    @property
    def judged(self) -> tuple[Judged, ...]:
        """All options, the chosen one first."""
        return (self.chosen, *self.others) if self.chosen else self.others

    @property
    def metric(self) -> str:
        """What accuracy means here, as `top-1, 300 pictures`."""
        scores = [judged.option.score for judged in self.judged if judged.option.score]
        return f"{scores[0].metric}, {scores[0].n} pictures" if scores else "accuracy, not measured"

    @property
    def kernels(self) -> str | None:
        """The kernels of another processor that latency was measured on, emulated; None for this machine's own."""
        found = (getattr(judged.option.latency, "kernels", "native") for judged in self.judged if judged.option.latency)
        return next((kernels for kernels in found if kernels != "native"), None)

    @property
    def emulation(self) -> str:
        """To go on with after a word about latency: `, on emulated sse4.1 kernels`, or nothing."""
        return f", on emulated {self.kernels} kernels" if self.kernels else ""

    def to_json(self) -> dict[str, Any]:
        """Plain values for `--json` and the report."""
        return {
            "emulated_kernels": self.kernels,
            "chosen": self.chosen.option.name if self.chosen else None,
            "options": [judged.to_json() for judged in self.judged],
        }

    def __repr__(self) -> str:
        head = f"chosen: {self.chosen.option.name}" if self.chosen else "no candidate meets the goals"
        return "\n".join([head, *(f"  {judged.option.name}: {judged.reason}" for judged in self.judged)])


def decide(options: Sequence[Option], goals: Goals, device: Device) -> Verdict:
    """Judge every option and choose the best of the acceptable ones.

    Args:
        options: what was measured.
        goals: the user's goals.
        device: where the model will run; latency and memory measured elsewhere leave those goals unproven.
    """
    judged = [Judged(option, _goals(option, goals, device), "") for option in options]
    acceptable = [item for item in judged if item.acceptable]
    best = _best(acceptable, goals.prefer) if acceptable else None
    named = [
        Judged(
            item.option, item.goals, _reason(item, best, goals.prefer) + _kernels(item.option) + _warning(item, goals)
        )
        for item in judged
    ]
    chosen = next((item for item in named if best and item.option is best.option), None)
    others = tuple(item for item in named if item is not chosen)
    return Verdict(chosen, tuple(sorted(others, key=lambda item: not item.acceptable)))


def _goals(option: Option, goals: Goals, device: Device) -> tuple[GoalResult, ...]:
    results = []
    if option.drop is not None:
        sure = "" if option.drop.high <= goals.max_accuracy_drop else f"95 %: up to {option.drop.high:.3f}"
        results.append(_result("accuracy drop", goals.max_accuracy_drop, option.drop.value, "", note=sure))
    here = device.is_this_machine
    note = "" if here else "measured here; the camera decides"
    if goals.max_latency_ms is not None:
        found = option.latency.median_ms if option.latency else None
        told = f"{note}; there {option.estimate}" if option.estimate and not here else note
        results.append(_result("latency", goals.max_latency_ms, found, "ms", here, told))
    if goals.max_memory_mb is not None:
        found = option.memory.peak_mb if option.memory else None
        results.append(_result("memory", goals.max_memory_mb, found, "MB", here, note))
    if goals.max_size_mb is not None:
        results.append(_result("size", goals.max_size_mb, option.size_mb, "MB"))
    return tuple(results)


def _result(
    goal: str, limit: float, found: float | None, unit: str, provable: bool = True, note: str = ""
) -> GoalResult:
    if found is None or not provable:
        return GoalResult(goal, limit, found, unit, "unproven", note or "not measured")
    met = found <= limit
    return GoalResult(goal, limit, found, unit, "met" if met else "missed", note if met else "")


def _best(acceptable: Sequence[Judged], prefer: str) -> Judged:
    """The best by preference; among those as good within `EQUAL`, the smallest file, then the best score."""
    least = min(_cost(item.option, prefer) for item in acceptable)
    equal = [item for item in acceptable if _cost(item.option, prefer) <= least * EQUAL]
    return min(equal, key=lambda item: (item.option.size_mb, -_value(item.option), item.option.engine))


def _cost(option: Option, prefer: str) -> float:
    """Lower is better: milliseconds, megabytes, or accuracy lost, scaled so that half a point lies within `EQUAL`."""
    if prefer == "latency":
        return option.latency.median_ms if option.latency else float("inf")
    if prefer == "size":
        return option.size_mb
    return 1.0 + max(0.0, option.drop.value if option.drop else 0.0) * 20


def _value(option: Option) -> float:
    return option.score.interval.value if option.score else 0.0


def _reason(item: Judged, best: Judged | None, prefer: str) -> str:
    if item.option.refused:
        return item.option.refused
    missed = [str(goal) for goal in item.goals if goal.state == "missed"]
    if missed:
        return "missed: " + "; ".join(missed)
    open_goals = [goal.goal for goal in item.goals if goal.state == "unproven"]
    meets = "meets every goal that can be proven here" if open_goals else "meets every goal"
    if best is None or item.option is best.option:
        proven = f"; {', '.join(open_goals)} to be proven on the camera" if open_goals else ""
        if "latency" in open_goals and item.option.estimate:
            proven += f", where it takes {item.option.estimate}"
        return f"chosen: {meets}, best by {prefer}{proven}"
    mine, theirs = _cost(item.option, prefer), _cost(best.option, prefer)
    if mine > theirs * EQUAL:
        how = {"latency": "the time", "size": "the size", "accuracy": "the loss"}[prefer]
        return f"{meets}; {mine / theirs:.2f} times {how} of {best.option.name}"
    return f"{meets}; no better by {prefer} than {best.option.name}, and {_size_note(item, best)}"


def _kernels(option: Option) -> str:
    """Where a score comes from, if this machine would have given another one."""
    on_others = option.score is not None and option.kernels != NATIVE
    return f"; accuracy on emulated {option.kernels} kernels" if on_others else ""


def _warning(item: Judged, goals: Goals) -> str:
    """That a latency goal is out of reach by estimate, both errors granted. It stays unproven: nothing was measured."""
    likely, limit = item.option.estimate, goals.max_latency_ms
    if likely is None or limit is None or likely.low_ms <= limit or not item.acceptable:
        return ""
    return (
        f"; WARNING: the camera will most likely refuse it: more than {limit:g} ms there by the whole of its estimate"
    )


def _size_note(item: Judged, best: Judged) -> str:
    if item.option.size_mb > best.option.size_mb * 1.001:
        return f"{item.option.size_mb / best.option.size_mb:.2f} times its size"
    return "no smaller or more accurate"
