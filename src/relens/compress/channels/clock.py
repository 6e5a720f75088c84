"""What a cut saves: each operation timed alone here, scaled by how many channels stay; whole graphs measured."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from relens.compress.channels.groups import Groups
from relens.compress.channels.layout import Ids
from relens.engines import load_engine
from relens.engines.silence import silent_library
from relens.graph import Graph, Op
from relens.graph.edit import compacted
from relens.graph.flatbuffer import edited
from relens.measure.latency import Latency, interleaved

RUNS = 7
Widths = NDArray[np.int64]
"""Units that stay of each group, (groups,) int64."""


@dataclass(frozen=True)
class Clock:
    """Predicts a cut graph's latency.

    An operation's time goes with the share of channels that stay along each axis it has channels on: outputs and,
    for convolutions and dense layers, inputs. `__call__` multiplies these; sizes are those of the groups.

    Attributes:
        sizes: units of each group, (groups,).
        times_ms: of each operation alone, (ops,).
        first, second: the share of each group in the channels along an operation's axes, (ops, groups); rows sum to
            1, or to 0 where the operation has no second axis.
    """

    sizes: Widths
    times_ms: NDArray[np.float64]
    first: NDArray[np.float64] = field(repr=False)
    second: NDArray[np.float64] = field(repr=False)

    def __call__(self, widths: Widths) -> float:
        """Milliseconds, up to a factor that measuring the whole graph gives."""
        shares = widths / self.sizes
        second = np.where(self.second.any(1), self.second @ shares, 1.0)
        return float((self.times_ms * (self.first @ shares) * second).sum())


def clock_of(groups: Groups, threads: int = 1) -> Clock:
    """Time every operation of a graph."""
    graph = groups.graph
    sizes = np.array([group.size for group in groups.groups], np.int64)
    first, second = np.zeros((2, len(graph.ops), len(sizes)))
    for op in graph.ops:
        first[op.index] = _share(groups, groups.layouts[op.outputs[0]].ids)
    for member in groups.slices:
        if member.role == "reads":
            second[member.op] = _share(groups, member.channels)
    known: dict[Any, float] = {}
    times = []
    for op in graph.ops:
        key = _kind(graph, op)
        known[key] = known[key] if key in known else _alone(graph, op, threads)
        times.append(known[key])
    return Clock(sizes, np.array(times), first, second)


@dataclass(frozen=True)
class Timing:
    """How long a whole graph takes.

    Attributes:
        latency: as `measure.latency` sums it up.
        quick_ms: the 10th percentile. On a busy machine a short run slips through between two others where a long
            one is interrupted, and the ratio of medians flatters the shorter; undisturbed runs compare fairly.
    """

    latency: Latency
    quick_ms: float

    @property
    def median_ms(self) -> float:
        """The median of all runs."""
        return self.latency.median_ms


def measured(
    graphs: Mapping[str, Graph], engines: Sequence[str], *, seconds: float = 4.0, threads: int = 1
) -> dict[tuple[str, str], Timing]:
    """Time whole graphs on engines, interleaved, by (graph, engine)."""
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="relens-cut-") as folder:
        runs: dict[str, Callable[[], object]] = {}
        for name, graph in graphs.items():
            path = Path(folder) / f"{name}.tflite"
            graph.write(path)
            for engine in engines:
                key = f"{name}/{engine}"
                runs[key] = _run(path, engine, threads, times.setdefault(key, []))
        found = interleaved(runs, seconds=seconds, least_rounds=3)
    return {
        (name, engine): Timing(found[key], float(np.percentile(times[key], 10)))
        for name in graphs
        for engine in engines
        for key in [f"{name}/{engine}"]
    }


def _run(path: Path, engine: str, threads: int, times: list[float]) -> Callable[[], object]:
    loaded = load_engine(path, engine, threads)
    inputs = {t.name: np.zeros(t.shape, np.dtype(t.dtype)) for t in loaded.inputs}

    def run() -> None:
        start = time.perf_counter()
        loaded.run(inputs)
        times.append((time.perf_counter() - start) * 1e3)

    return run


def _share(groups: Groups, channels: Ids) -> NDArray[np.float64]:
    return np.bincount(groups.owner[channels], minlength=len(groups.groups)) / len(channels)


def _kind(graph: Graph, op: Op) -> Any:
    shapes = tuple(graph.tensors[index].shape if index >= 0 else None for index in (*op.inputs, *op.outputs))
    return op.name, shapes, str(vars(op.options)) if op.options is not None else ""


def _alone(graph: Graph, op: Op, threads: int) -> float:
    """The least milliseconds of one operation in a graph of its own; 0 where it cannot stand alone."""

    def change(model: Any) -> None:
        main = model.subgraphs[0]
        main.operators = [main.operators[op.index]]
        main.inputs = [t for t in dict.fromkeys(op.inputs) if t >= 0 and not graph.tensors[t].constant]
        main.outputs = list(op.outputs)
        model.signatureDefs = []

    content = compacted(edited(graph, change)).content
    try:
        with silent_library():
            runtime = Interpreter(model_content=content, num_threads=threads)
            runtime.allocate_tensors()
        runtime.invoke()
    except (RuntimeError, ValueError):
        return 0.0
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        runtime.invoke()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3
