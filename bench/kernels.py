"""Which graph is fastest on a processor without AVX, such as a DeepLens's Atom? Asked of this machine.

Every graph on every engine is timed on this machine's own kernels, then on the SSE4.1 kernels that an Atom's engines
choose; within each of the two processes all take turns, in random order. What counts are the ratios: how many times as
fast as the first graph on the first engine each one is. The milliseconds are this machine's clock and caches. Both are
repeated with fresh processes; the table gives medians and, of the ratios, lowest and highest.

    python bench/kernels.py float.tflite int8.tflite
    python bench/kernels.py float.tflite int8.tflite --engines litert,openvino --threads 1 --kernels avx2
"""

import argparse
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from relens.engines.kernels import LEVELS, NATIVE
from relens.errors import RelensError
from relens.measure.emulated import KernelLatency, Run, latency_on
from relens.measure.host import host_fingerprint


@dataclass(frozen=True)
class Row:
    """One graph on one engine and set of kernels, over all repeats."""

    times: list[KernelLatency]
    ratios: list[float]

    def __str__(self) -> str:
        middle = statistics.median(time.median_ms for time in self.times)
        low, ratio, high = min(self.ratios), statistics.median(self.ratios), max(self.ratios)
        return f"{middle:9.2f} {ratio:6.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Parse, measure, print."""
    options = arguments()
    engines = options.engines.split(",")
    runs = {f"{file.stem} {engine}": Run(file, engine) for engine in engines for file in options.models}
    if len(runs) < len(engines) * len(options.models):
        raise SystemExit("two of the graphs have the same name: rename one")
    found: dict[str, list[dict[str, KernelLatency]]] = {NATIVE: [], options.kernels: []}
    for _ in range(options.repeats):
        for kernels, results in found.items():
            try:
                results.append(latency_on(kernels, runs, threads=options.threads, seconds=options.seconds))
            except RelensError as trouble:
                raise SystemExit(str(trouble)) from None
    report(found, list(runs), options)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "models", type=Path, nargs="+", metavar="MODEL.tflite", help="the first is what others are held to"
    )
    parser.add_argument("--engines", default="litert,openvino")
    parser.add_argument("--kernels", default="sse4.1", choices=sorted(LEVELS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=15, help="of one process's timing")
    parser.add_argument("--repeats", type=int, default=3, help="of both processes")
    return parser.parse_args()


def report(found: dict[str, list[dict[str, KernelLatency]]], names: list[str], options: argparse.Namespace) -> None:
    """The table, and below it what ran on this machine's own kernels all the same."""
    host = host_fingerprint()
    print(f"{host['processor']}, {options.threads} thread(s), load {host['load_average'][0]}")
    print(f"runs of each: {', '.join(f'{k} {sum(r[names[0]].n for r in results)}' for k, results in found.items())}")
    width = max(map(len, names))
    head = "".join(f"   {kernels + ' ms':>9} {'x first [low, high]':20}" for kernels in found)
    print(f"{'':{width}}{head}   slower by")
    for name in names:
        rows = [row(results, name, names[0]) for results in found.values()]
        own, other = (statistics.median(time.median_ms for time in item.times) for item in rows)
        print(f"{name:{width}}" + "".join(f"   {item!s:30}" for item in rows) + f"   {other / own:.2f}")
    for name in names:
        left = Counter(found[options.kernels][0][name].unlimited)
        if left:
            told = ", ".join(f"{count} {op}" for op, count in left.items())
            print(f"not on {options.kernels} kernels in {name}: {told}")


def row(results: list[dict[str, KernelLatency]], name: str, first: str) -> Row:
    """Gather the repeats; each ratio is one process's own."""
    return Row([item[name] for item in results], [item[first].median_ms / item[name].median_ms for item in results])


if __name__ == "__main__":
    main()
