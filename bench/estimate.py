"""Calibrate latency estimates for a device that is not here: `[latency]` of its profile, and how wrong it is.

Real architectures at several sizes, float32 and int8, are timed on LiteRT with the kernels that the device's engine
would choose (SSE4.1 for a processor without AVX), one thread, on one core, interleaved in random order, in several
fresh processes; the lowest of the processes' medians counts: other programs only ever make it slower. Rates are fitted
to those times by least squares on relative errors, none below zero. The error is that of architectures the fit has not
seen: each is left out in turn, with all its sizes and both precisions.

    python bench/estimate.py FOLDER --model MobileNet=flowers.h5 --model YOLOX=yolox_nano_416.h5
    python bench/estimate.py FOLDER --repeats 6 --kernels sse4.1
    python bench/estimate.py OTHER --hold deeplens --model ssd=ssd.keras --model yolo=yolo.keras

FOLDER is kept: models are made once, and every time measured is written to FOLDER/times.json and used again; more
repeats add to it (`--repeats 0` only fits). What both print in the end belongs into the profile; the factor to the
device is not among it, because nothing here can measure that. `--hold` fits nothing: it holds a profile's numbers
against other models, because the formula, too, was chosen by the first ones.
"""

import argparse
import ctypes
import json
import mmap
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from relens.engines.kernels import LEVELS
from relens.graph import Graph
from relens.measure.emulated import Run, latency_on
from relens.measure.estimate import CONVOLUTION, FULLY_CONNECTED, KINDS, OUTSIDE, OVERHEAD, work
from relens.measure.host import host_fingerprint
from relens.quantize import quantize
from relens.sources import import_model
from relens.spec import device

PRECISIONS = ("float32", "int8")
TERMS = (*(f"{precision} {kind}" for precision in PRECISIONS for kind in KINDS), OUTSIDE, OVERHEAD)
NINE_OF_TEN = 90
TURN = bytes.fromhex("48ffcf75fbc3")  # dec rdi; jnz to it; ret: one turn a cycle


@dataclass(frozen=True)
class Timed:
    """One graph: its architecture, what it asks (by `TERMS`), and its milliseconds in each process."""

    name: str
    amounts: np.ndarray
    times_ms: list[float]

    @property
    def architecture(self) -> str:
        """What is left out together: sizes and precisions of one network."""
        return self.name.partition("-")[0]

    @property
    def ms(self) -> float:
        """The lowest of its processes' medians."""
        return min(self.times_ms)


def main() -> None:
    """Parse, make, measure, fit, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", action="append", default=[], metavar="ARCHITECTURE=FILE", help="a model of yours")
    parser.add_argument("--hold", metavar="PROFILE", help="hold its numbers against models it was not made with")
    parser.add_argument("--kernels", default="sse4.1", choices=sorted(LEVELS))
    parser.add_argument("--repeats", type=int, default=4, help="fresh processes")
    parser.add_argument("--seconds", type=float, default=60, help="of one process's timing")
    parser.add_argument("--core", type=int, default=0, help="the one to run on")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    files = graphs(options.folder, [pair.split("=", 1) for pair in options.model], options.hold is not None)
    os.sched_setaffinity(0, {options.core})
    times = measured(options, files)
    timed = [Timed(file.stem, amounts(Graph.read(file)), times[file.stem]) for file in files]
    if options.hold is None:
        report(timed)
    else:
        held(timed, options.hold)


def graphs(folder: Path, more: Sequence[Sequence[str]], held_out: bool) -> list[Path]:
    """Float and int8 graphs of every model, made where they are missing."""
    if not any(folder.glob("*.tflite")):
        command = [sys.executable, Path(__file__).with_name("estimate_models.py"), folder]
        subprocess.run([*command, "held-out"] if held_out else command, check=True)
    sources = {file.stem: file for file in sorted(folder.glob("*.keras"))}
    sources |= {f"{name}-{Path(file).stem}": Path(file) for name, file in more}
    for name, source in sources.items():
        float_file, int8_file = (folder / f"{name}.{precision}.tflite" for precision in PRECISIONS)
        if not float_file.exists():
            import_model(source).graph.write(float_file)
        if not int8_file.exists():
            graph = Graph.read(float_file)
            draw = np.random.default_rng(0)
            noise = [{one.name: draw.uniform(0, 1, one.shape).astype(np.float32) for one in graph.inputs}]
            quantize(graph, "int8", samples=noise).graph.write(int8_file)
    return sorted(folder.glob("*.tflite"))


def measured(options: argparse.Namespace, files: Sequence[Path]) -> dict[str, list[float]]:
    """Each graph's median of each process, those of earlier runs included."""
    kept = options.folder / "times.json"
    times: dict[str, list[float]] = json.loads(kept.read_text()) if kept.exists() else {}
    runs = {file.stem: Run(file, "litert") for file in files}
    for number in range(options.repeats):
        began = time.perf_counter()
        found = latency_on(options.kernels, runs, threads=1, seconds=options.seconds)
        for name, latency in found.items():
            times.setdefault(name, []).append(latency.median_ms)
        kept.write_text(json.dumps(times))
        n = sum(latency.n for latency in found.values())
        told = f"{time.perf_counter() - began:.0f} s, load {os.getloadavg()[0]:.1f}"
        print(f"process {number + 1}: {n} runs of {len(found)} graphs in {told}", file=sys.stderr)
    return times


def amounts(graph: Graph) -> np.ndarray:
    """What a graph asks, by `TERMS`: 1e6 multiply-accumulates or elements, and 1e3 operations."""
    asked = dict.fromkeys(TERMS, 0.0)
    for one in work(graph):
        asked[OUTSIDE if one.kind == OUTSIDE else f"{one.precision} {one.kind}"] += one.amount / 1e6
        asked[OVERHEAD] += 1e-3
    return np.array(list(asked.values()))


def fit(timed: Sequence[Timed]) -> np.ndarray:
    """What a unit of each term costs, ms: least squares on relative errors, none below zero (coordinate descent).

    A fully connected layer uses each weight once, so that it is no faster than a convolution: only what it costs more
    is fitted.
    """
    rows = np.array([one.amounts / one.ms for one in timed])
    pairs = [(TERMS.index(f"{kind} {FULLY_CONNECTED}"), TERMS.index(f"{kind} {CONVOLUTION}")) for kind in PRECISIONS]
    for dense, convolution in pairs:
        rows[:, convolution] += rows[:, dense]
    size = np.maximum(np.abs(rows).max(axis=0), 1e-12)
    rows = rows / size
    costs, left = np.zeros(rows.shape[1]), np.ones(len(rows))
    squares = (rows**2).sum(axis=0)
    for _ in range(20_000):
        for term in np.flatnonzero(squares > 1e-12):
            better = max(0.0, costs[term] + rows[:, term] @ left / squares[term])
            left += rows[:, term] * (costs[term] - better)
            costs[term] = better
    costs = costs / size
    for dense, convolution in pairs:
        costs[dense] += costs[convolution]
    return costs


def unseen(timed: Sequence[Timed]) -> dict[str, float]:
    """Each graph's estimate over its latency, by a fit that has seen no graph of its architecture."""
    ratios = {}
    for architecture in sorted({one.architecture for one in timed}):
        costs = fit([one for one in timed if one.architecture != architecture])
        ratios |= {one.name: float(one.amounts @ costs) / one.ms for one in timed if one.architecture == architecture}
    return ratios


def report(timed: Sequence[Timed]) -> None:
    """The table, the error, and the lines for the profile."""
    costs, ratios = fit(timed), unseen(timed)
    host = host_fingerprint()
    print(f"{host['processor']} at {clock_ghz():.2f} GHz, one thread, load {host['load_average'][0]}")
    print(f"{'':36} {'ms':>8} {'spread':>7} {'seen':>6} {'unseen':>6}")
    for one in sorted(timed, key=lambda one: one.name):
        spread, seen = max(one.times_ms) / one.ms, float(one.amounts @ costs) / one.ms
        print(f"{one.name:36} {one.ms:8.3f} {spread:7.2f} {seen:6.2f} {ratios[one.name]:6.2f}")
    spread = statistics.median(max(one.times_ms) / one.ms for one in timed)
    print(f"{len(timed)} graphs, {min(len(one.times_ms) for one in timed)} processes; spread of a graph's {spread:.2f}")
    for precision in (*PRECISIONS, ""):
        off = np.exp([abs(np.log(ratio)) for name, ratio in ratios.items() if name.endswith(precision)])
        median, nine, most = np.percentile(off, [50, NINE_OF_TEN, 100])
        told = f"unseen architectures off by x/÷ {median:.2f} (median), {nine:.2f} (nine of ten), {most:.2f} (worst)"
        print(f"{precision or 'both'}: n = {len(off)}, {told}")
    print("\n[latency]")
    print(f"overhead_us = {costs[-1]:.2f}\noutside = {inverse(costs[-2]):.2f}")
    per_precision = costs[:-2].reshape(len(PRECISIONS), len(KINDS))
    for precision, row in zip(PRECISIONS, per_precision, strict=True):
        told = ", ".join(f"{kind} = {inverse(cost):.2f}" for kind, cost in zip(KINDS, row, strict=True))
        print(f"{precision} = {{ {told} }}")


def held(timed: Sequence[Timed], profile: str) -> None:
    """What a profile's numbers say of the reference processor, over what was measured on it."""
    latency = device(profile).latency
    if latency is None:
        raise SystemExit(f"the profile {profile} has no [latency]")
    rates = [getattr(getattr(latency, precision), kind) for precision in PRECISIONS for kind in KINDS]
    costs = np.array([*(1 / rate for rate in (*rates, latency.outside)), latency.overhead_us])
    ratios = [float(one.amounts @ costs) / one.ms for one in timed]
    for one, ratio in zip(timed, ratios, strict=True):
        print(f"{one.name:36} {one.ms:8.3f} {max(one.times_ms) / one.ms:7.2f} {ratio:6.2f}")
    off = np.exp(np.abs(np.log(ratios)))
    print(f"n = {len(off)}, off by x/÷ {np.median(off):.2f} (median), {off.max():.2f} (worst); {latency.reference}")
    print(f"prediction_error = {off.max():.2f}")


def inverse(cost: float) -> float:
    """A rate from what a unit costs; a cost that came out as nothing is no limit."""
    return 1 / cost if cost else float("inf")


def clock_ghz() -> float:
    """The core's clock, by a loop of one turn a cycle (x86-64)."""
    code = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(TURN)
    loop = ctypes.CFUNCTYPE(None, ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
    turns, best = 1_000_000, float("inf")
    for _ in range(500):
        began = time.perf_counter()
        loop(turns)
        best = min(best, time.perf_counter() - began)
    return turns / best / 1e9


if __name__ == "__main__":
    main()
