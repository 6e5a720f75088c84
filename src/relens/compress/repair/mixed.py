"""Mixed precision: the few operations that must stay float so that a network's answers recover.

Two steps. What only rearranges and squashes the last results costs no multiplications, and one int8 scale for boxes of
hundreds beside scores of hundredths loses the scores: that tail stays float at once. Then regions: contiguous runs of
operations, each tried in float by measuring the answers (as in HAWQ, Dong et al., ICCV 2019, with the measured error in
place of a second-order estimate), halved while one half does most of the good, and taken by error saved per
multiplication. Runs, not single operations: every border between float and int8 is a conversion of a whole tensor.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field

from relens.graph import Graph, cost

PARTS = 8  # regions tried first
MOST_OF_IT = 0.8  # of a region's good that a half must do to be taken instead
LEAST_GAIN = 0.02  # of the error at the start: below, further regions are noise
OWN_COST = 0.02  # share of multiplications that a region costs at least, for its two conversions

Error = Callable[[Collection[str]], float]
"""The measured error of the candidate that keeps these operations float."""


@dataclass(frozen=True)
class Mixture:
    """Which operations stay float.

    Attributes:
        keep_float: by the `tensor_name` of their first output, as `quantize` takes them.
        regions: what was taken, in order: first operation, last operation, share of multiplications, error after it.
        error: of all int8 first, then after each region.
        float_share: of the graph's multiply-accumulates that stay float, 0..1.
    """

    keep_float: tuple[str, ...] = field(repr=False)
    regions: tuple[tuple[int, int, float, float], ...]
    error: tuple[float, ...]
    float_share: float


def tail(graph: Graph) -> tuple[str, ...]:
    """The operations behind the last multiplications, up to the outputs, by the `tensor_name` of their first output."""
    worked = {op.index for op in cost(graph).ops if op.macs}
    before: set[int] = set()  # tensors that multiplications still read, through whatever
    found = []
    for op in reversed(graph.ops):
        if op.index in worked or before & set(op.outputs):
            before |= set(op.inputs)
        elif op.outputs:
            found.append(graph.tensors[op.outputs[0]].tensor_name)
    return tuple(reversed(found))


def search_mixture(
    graph: Graph,
    error: Error,
    *,
    start: Collection[str] = (),
    target: float = 0.0,
    most_float: float = 0.25,
    trials: int = 40,
    progress: Callable[[float], None] | None = None,
) -> Mixture:
    """Keep regions float, the best bargain first, until the error is small enough or nothing affordable helps.

    Args:
        graph: float.
        error: measures one choice; called at most `trials` times.
        start: operations that stay float anyway, such as the `tail`.
        target: the error to reach.
        most_float: of the multiply-accumulates, 0..1, that may stay float.
        trials: how many choices may be measured.
        progress: told the fraction of the trials done, 0..1.
    """
    search = _Search(graph, error, trials, progress)
    kept = frozenset(start)
    errors = [search.measure(kept)]
    regions: list[tuple[int, int, float, float]] = []
    while errors[-1] > target and search.left:
        best = search.best_region(kept, errors[-1], most_float)
        if best is None or errors[-1] - best[1] < LEAST_GAIN * errors[0]:
            break
        run, after = best
        kept |= search.names(run)
        errors.append(after)
        regions.append((run[0], run[-1], search.share(search.names(run)), after))
    inside = [graph.tensors[op.outputs[0]].tensor_name for op in graph.ops if op.outputs]
    order = tuple(name for name in dict.fromkeys(inside) if name in kept)
    return Mixture(order, tuple(regions), tuple(errors), search.share(kept))


class _Search:
    """Measured choices over one graph, and what is left of the trials."""

    def __init__(self, graph: Graph, error: Error, trials: int, progress: Callable[[float], None] | None) -> None:
        self.graph = graph
        self.left = self.trials = trials
        self._error = error
        self._progress = progress
        self._known: dict[frozenset[str], float] = {}
        costs = cost(graph)
        self._macs = {op.output: op.macs / max(costs.macs, 1) for op in costs.ops}

    def names(self, run: range) -> frozenset[str]:
        ops = (self.graph.ops[index] for index in run)
        return frozenset(self.graph.tensors[op.outputs[0]].tensor_name for op in ops if op.outputs)

    def share(self, names: Collection[str]) -> float:
        return sum(self._macs.get(name, 0.0) for name in names)

    def measure(self, kept: frozenset[str]) -> float:
        if kept not in self._known:
            self.left -= 1
            self._known[kept] = self._error(kept)
            if self._progress is not None:
                self._progress(1 - self.left / self.trials)
        return self._known[kept]

    def best_region(self, kept: frozenset[str], now: float, most_float: float) -> tuple[range, float] | None:
        """The run with the most error saved per multiplication, and the error with it."""
        found: list[tuple[float, range, float]] = []
        for part in self._parts():
            if self.left > 0:
                run, after = self._narrowed(part, kept, now)
                names = self.names(run) | kept
                if self.share(names) <= most_float:
                    found.append(((now - after) / (OWN_COST + self.share(names - kept)), run, after))
        best = max(found, key=lambda item: item[0], default=None)
        return None if best is None else (best[1], best[2])

    def _narrowed(self, run: range, kept: frozenset[str], now: float) -> tuple[range, float]:
        """The smallest part of a run that still does most of its good."""
        after = self.measure(kept | self.names(run))
        while len(run) > 1 and self.left > 1 and now - after > LEAST_GAIN * now:
            tried = [(self.measure(kept | self.names(half)), half) for half in _pieces(run)]
            better, half = min(tried, key=lambda item: item[0])
            if now - better < MOST_OF_IT * (now - after):
                break
            run, after = half, better
        return run, after

    def _parts(self) -> Iterator[range]:
        total = len(self.graph.ops)
        size = max(1, -(-total // PARTS))
        for start in range(0, total, size):
            yield range(start, min(start + size, total))


def _pieces(run: range) -> tuple[range, range]:
    """The first and the last two thirds: halves would cut through what hangs together in the middle."""
    keep = max(1, len(run) * 2 // 3)
    return run[:keep], run[len(run) - keep :]
