"""All cheap steps in their order, each kept only if it helps: float graph -> int8 candidate, no training, no labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from relens.compress.repair.bias import correct_biases
from relens.compress.repair.equalize import equalize
from relens.compress.repair.judge import Judge
from relens.compress.repair.mixed import search_mixture, tail
from relens.compress.repair.ranges import observed_ranges, search_ranges
from relens.graph import Graph
from relens.quantize import Candidate, InputOutput, Samples, quantize
from relens.vision.frames import evenly

Ranges = Mapping[str, tuple[float, float]]

FEW = 16  # samples that a channel's size, its mean and the judge need; ranges look at all


@dataclass(frozen=True)
class Repaired:
    """An int8 candidate and what it was made from, so that a search can go on from here.

    Attributes:
        candidate: its recipe lists every step that was kept.
        graph: the float graph that was quantized; with corrected biases it is not the same function in float.
        ranges: of its activations.
        keep_float: its operations that stayed float.
        steps: those kept, one line each.
        errors: each step that was tried with the error after it, see `Judge.error`; the first is plain int8.
    """

    candidate: Candidate
    graph: Graph = field(repr=False)
    ranges: Ranges = field(repr=False)
    keep_float: tuple[str, ...] = field(repr=False)
    steps: tuple[str, ...]
    errors: tuple[tuple[str, float], ...]


def repair(
    graph: Graph,
    samples: Samples,
    *,
    io: InputOutput = "float32",
    weight_bits: int = 8,
    most_float: float = 0.0,
    calibration_sha256: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Repaired:
    """Equalize, search ranges, correct biases; each step stays if the answers come closer to the float graph's.

    Steps are fitted to every other sample and judged by the rest; ranges look at all.

    Args:
        graph: float.
        samples: representative inputs, unlabelled.
        io: type of inputs and outputs. With float outputs the `tail` stays float too: int8 outputs have one scale
            each, whatever stands in them side by side.
        weight_bits: as `quantize`.
        most_float: share of the multiply-accumulates that may stay float, 0..1; above 0 regions are searched for,
            before biases are corrected: a float region wants its own biases.
        calibration_sha256: hash of the pictures, for the lineage.
        progress: told the fraction done, 0..1.

    Raises:
        BadConfig, BadData, BadModel: as `quantize`.
    """
    work = _Work(graph, samples, io, weight_bits)
    told = progress or (lambda fraction: None)
    now = work.tried("plain", _State(graph, observed_ranges(graph, samples), ()))
    told(0.15)
    equal = equalize(graph, work.fitted)
    if equal.noise:
        step = f"equalize({len(equal.noise)} tensors, {len(equal.gates)} gates)"
        gates = dict.fromkeys(equal.gates, GATE)
        now = work.better(step, now, _State(equal.graph, observed_ranges(equal.graph, samples) | gates, (step,)))
    told(0.3)
    step = f"search_ranges({len(samples)} pictures)"
    found = search_ranges(now.graph, samples)
    now = work.better(step, now, _State(now.graph, found, (*now.steps, step)))
    if most_float > 0:
        now = work.mixed(now, most_float)
    told(0.5)
    corrected = correct_biases(now.graph, work.made(now).graph, work.fitted, lambda part: told(0.5 + 0.45 * part))
    step = f"correct_biases({len(corrected.shifts)} layers)"
    now = work.better(step, now, replace(now, graph=corrected.graph, steps=(*now.steps, step)))
    candidate = work.made(now)
    candidate = replace(
        candidate,
        recipe=(*now.steps, *candidate.recipe),
        parent_sha256=graph.sha256,
        calibration_sha256=calibration_sha256,
    )
    return Repaired(candidate, now.graph, now.ranges, work.kept(now), now.steps, tuple(work.errors))


GATE = (-8.0, 8.0)  # beyond it nothing moves behind a LOGISTIC, whose steps are 1 / 256


@dataclass(frozen=True)
class _State:
    graph: Graph
    ranges: Ranges
    steps: tuple[str, ...]
    regions: tuple[str, ...] = ()


class _Work:
    """What is the same for every step that is tried."""

    def __init__(self, graph: Graph, samples: Samples, io: InputOutput, weight_bits: int) -> None:
        # What a step was fitted to cannot judge it.
        mine, others = samples[::2], samples[1::2] or samples
        self.fitted = [mine[place] for place in evenly(len(mine), FEW)]
        judged = [others[place] for place in evenly(len(others), FEW)]
        self.errors: list[tuple[str, float]] = []
        self._io: InputOutput = io
        self._weight_bits = weight_bits
        self._judge = Judge(graph, judged)
        self._last: tuple[_State, Candidate] | None = None

    def kept(self, state: _State) -> tuple[str, ...]:
        behind = tail(state.graph) if self._io == "float32" else ()
        return tuple(dict.fromkeys((*state.regions, *behind)))

    def mixed(self, now: _State, most_float: float) -> _State:
        """The state with the regions float that pay."""
        found = search_mixture(
            now.graph,
            lambda kept: self._judge.error(self.made(replace(now, regions=tuple(sorted(kept)))).graph),
            start=self.kept(now),
            most_float=most_float,
        )
        if not found.regions:
            return now
        step = f"keep_float({len(found.regions)} regions, {found.float_share:.2f} of the multiplications)"
        return self.better(step, now, replace(now, regions=found.keep_float, steps=(*now.steps, step)))

    def made(self, state: _State) -> Candidate:
        if self._last is None or self._last[0] is not state:
            self._last = (
                state,
                quantize(
                    state.graph,
                    "int8",
                    samples=self.fitted[:1],
                    io=self._io,
                    ranges=state.ranges,
                    keep_float=self.kept(state),
                    weight_bits=self._weight_bits,
                ),
            )
        return self._last[1]

    def tried(self, step: str, state: _State) -> _State:
        self.errors.append((step, self._judge.error(self.made(state).graph)))
        return state

    def better(self, step: str, now: _State, then: _State) -> _State:
        least = min(error for _, error in self.errors)
        self.tried(step, then)
        return then if self.errors[-1][1] < least else now
