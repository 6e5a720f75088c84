"""Peak memory of a fresh process that loads and runs a graph: `python -m relens.measure.memory MODEL ENGINE N`."""

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from relens.errors import EngineTrouble
from relens.measure.process import process_memory


@dataclass(frozen=True)
class Memory:
    """MB of 1e6 bytes: the peak of the whole process, and what loading and running the model added to it."""

    peak_mb: float
    model_mb: float

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded."""
        return {"peak_mb": round(self.peak_mb, 1), "model_mb": round(self.model_mb, 1)}


def peak_memory(model: Path, engine: str, threads: int, timeout_s: float = 300) -> Memory:
    """Measure in a child process, so that nothing else counts.

    Raises:
        EngineTrouble: RL-ENGINE-002 when the child fails, as on a graph that the engine refuses.
    """
    command = [sys.executable, "-m", "relens.measure.memory", str(model), engine, str(threads)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise EngineTrouble(
            "RL-ENGINE-002",
            f"{engine} failed on {model.name} in a fresh process: {last}",
            hint="relens inspect MODEL",
        )
    return Memory(**json.loads(done.stdout.strip().splitlines()[-1]))


def _main(model: str, engine: str, threads: str) -> None:
    import numpy as np

    from relens.engines import BUILT_IN, load_engine

    if engine in BUILT_IN:
        import_module(BUILT_IN[engine][0])  # so that the library itself does not count as the model's
    before = process_memory().resident_mb
    loaded = load_engine(Path(model), engine, int(threads))
    feed = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in loaded.inputs}
    for _ in range(3):
        loaded.run(feed)
    peak = process_memory().peak_mb
    sys.stdout.write(json.dumps({"peak_mb": peak, "model_mb": max(0.0, peak - before)}) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:4])
