"""Peak memory of a fresh process that loads and runs a graph: `python -m relens.measure.memory MODEL ENGINE N`."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relens.errors import EngineTrouble


@dataclass(frozen=True)
class Memory:
    """Bytes: `peak` of the whole process, and `model`, what loading and running added to interpreter and engine."""

    peak_bytes: int
    model_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Plain values, in MB of 1e6 bytes."""
        return {"peak_mb": round(self.peak_bytes / 1e6, 1), "model_mb": round(self.model_bytes / 1e6, 1)}


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


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return 0


def _main(model: str, engine: str, threads: str) -> None:
    import numpy as np

    from relens.engines import available, load_engine

    if engine in available():
        __import__({"litert": "ai_edge_litert.interpreter", "openvino": "openvino"}.get(engine, "relens"))
    before = _status("VmRSS")
    loaded = load_engine(Path(model), engine, int(threads))
    feed = {tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in loaded.inputs}
    for _ in range(3):
        loaded.run(feed)
    peak = _status("VmHWM")
    sys.stdout.write(json.dumps({"peak_bytes": peak, "model_bytes": max(0, peak - before)}) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:4])
