"""Latency on the kernels another processor would choose: `python -m relens.measure.emulated`, the request on stdin.

What an engine is limited to (`engines.kernels`) holds for a whole process; so each measurement gets one of its own.
Such milliseconds are those of this machine's clock, caches and memory: only ratios within one measurement say something
about the device.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.engines import Engine, load_engine
from relens.engines.failure import ended, heard, told
from relens.engines.kernels import NATIVE, confirm, limit, unlimited
from relens.errors import EngineTrouble, RelensError
from relens.measure.latency import Latency, interleaved


@dataclass(frozen=True)
class Run:
    """A graph file on an engine."""

    file: Path
    engine: str


@dataclass(frozen=True)
class KernelLatency(Latency):
    """Latency, with what it was measured on.

    kernels: "native", or the name of those emulated. unlimited: operators that ran on this machine's own kernels all
    the same, by name.
    """

    kernels: str = NATIVE
    unlimited: tuple[str, ...] = ()

    @property
    def emulated(self) -> bool:
        """Whether kernels of another processor ran."""
        return self.kernels != NATIVE

    def __str__(self) -> str:
        return f"{super().__str__()}, emulated {self.kernels} kernels" if self.emulated else super().__str__()

    def to_json(self) -> dict[str, Any]:
        """What `Latency` gives, and the kernels; plain values."""
        times = {item.name: round(getattr(self, item.name), 3) for item in fields(Latency)}
        return {**times, "kernels": self.kernels, "emulated": self.emulated, "unlimited": list(self.unlimited)}


def latency_on(
    kernels: str,
    runs: Mapping[str, Run],
    *,
    threads: int = 1,
    seconds: float = 20.0,
    timeout_s: float = 900,
    partial: bool = False,
) -> dict[str, KernelLatency]:
    """Time graphs on engines side by side, in a fresh process that is limited to some kernels.

    Args:
        kernels: one of `engines.kernels.LEVELS`, or "native" for this machine's own.
        runs: a name -> what to time; the result has the same names.
        threads: how many each engine may use.
        seconds: about how long the timing may take in all, without loading.
        timeout_s: when to give up.
        partial: leave out of the result what an engine cannot load on these kernels, instead of failing.

    Raises:
        EngineTrouble: RL-ENGINE-001 or -002 as `load_engine`, or when the process fails; RL-ENGINE-004 when an engine
            cannot be limited, or did not keep to it.
        BadModel: as `Graph.read`.
    """
    request = {
        "kernels": kernels,
        "runs": {name: [str(run.file), run.engine] for name, run in runs.items()},
        "threads": threads,
        "seconds": seconds,
        "partial": partial,
    }
    answer = _ask(json.dumps(request), timeout_s)
    if "error" in answer:
        raise heard(answer["error"])
    return {
        name: KernelLatency(**{**found, "unlimited": tuple(found["unlimited"])})
        for name, found in answer["latencies"].items()
    }


def _ask(request: str, timeout_s: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "relens.measure.emulated"]
    try:
        done = subprocess.run(command, input=request, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise EngineTrouble(
            "RL-ENGINE-002", f"the timing took more than {timeout_s:.0f} s", hint="time fewer graphs, or allow more"
        ) from None
    if done.returncode:
        raise ended(done.returncode, done.stderr)
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    kernels, threads = request["kernels"], request["threads"]
    runs = {name: Run(Path(file), engine) for name, (file, engine) in request["runs"].items()}
    if kernels != NATIVE:
        limit(kernels, sorted({run.engine for run in runs.values()}))
    loaded: dict[str, Engine] = {}
    for name, run in runs.items():
        with contextlib.suppress(*([EngineTrouble] if request["partial"] else [])):
            loaded[name] = load_engine(run.file, run.engine, threads)
    feeds = {name: _feed(engine) for name, engine in loaded.items()}
    calls = {name: lambda engine=engine, feed=feeds[name]: engine.run(feed) for name, engine in loaded.items()}
    times = interleaved(calls, seconds=request["seconds"])
    own: dict[str, tuple[str, ...]] = dict.fromkeys(loaded, ())
    if kernels != NATIVE:
        confirm(kernels, [engine.report for engine in loaded.values()])
        own = {name: unlimited(kernels, engine.report) for name, engine in loaded.items()}
    found = {name: KernelLatency(**vars(time), kernels=kernels, unlimited=own[name]) for name, time in times.items()}
    return {"latencies": {name: asdict(item) for name, item in found.items()}}


def _feed(engine: Engine) -> dict[str, NDArray[np.generic]]:
    """Noise for pixels, zeros where integers could be indices."""
    draw = np.random.default_rng(0)
    return {
        tensor.name: draw.random(tensor.shape).astype(tensor.dtype)
        if tensor.dtype.startswith("float")
        else draw.integers(0, 128, tensor.shape).astype(tensor.dtype)
        if tensor.dtype in ("int8", "uint8")
        else np.zeros(tensor.shape, tensor.dtype)
        for tensor in engine.inputs
    }


def _main() -> None:
    try:
        answer = _answer(json.load(sys.stdin))
    except RelensError as trouble:
        answer = {"error": told(trouble)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    _main()
