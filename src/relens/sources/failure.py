"""Why the child failed, in the user's terms."""

import re
import signal
from pathlib import Path

from relens.errors import BadModel, RelensError
from relens.sources.process import Ended, Limits
from relens.sources.request import Request, read_failure

EXCEPTION = re.compile(r"^[\w.]*(Error|Exception|Interrupt|Exit)\b")
FATAL = re.compile(r"^F\d{4} |Check failed|Fatal Python error|terminate called")
NEXT = {
    signal.SIGILL: "the TensorFlow wheel needs a processor with AVX: convert on another machine",
    signal.SIGKILL: "something outside relens killed it, most often the kernel when memory runs out: "
    "close programs, or convert on a machine with more memory",
}
SIMPLER = "export the model as a SavedModel without training parts, or choose earlier outputs: outputs=[...]"
LINE_CHARS = 400


def explain(ended: Ended, engine: str, request: Request, folder: Path, limits: Limits) -> RelensError:
    """The error for a child that broke a limit, died of a signal, or gave up."""
    what = f"{request.path} ({request.kind})"
    told = read_failure(folder, request.path)
    if told is not None:
        return told
    if ended.broke == "time":
        return BadModel(
            "RL-SOURCE-003",
            f"importing {what} took more than {limits.timeout_s:g} s and was stopped",
            hint=f"allow more: Limits(timeout_s={2 * limits.timeout_s:g})",
        )
    if ended.broke == "memory":
        return BadModel(
            "RL-SOURCE-004",
            f"importing {what} took more than {limits.memory_mb} MB of memory and was stopped",
            hint=f"allow more: Limits(memory_mb={2 * limits.memory_mb})",
        )
    line = decisive_line(ended.log)
    if ended.returncode < 0:
        name = signal.Signals(-ended.returncode).name
        return BadModel(
            "RL-SOURCE-005",
            f"{engine} died of {name} while importing {what}; its last words: {line}",
            hint=NEXT.get(signal.Signals(-ended.returncode), SIMPLER),
        )
    return BadModel("RL-SOURCE-006", f"{engine} cannot import {what}: {line}", hint=SIMPLER)


def decisive_line(log: str) -> str:
    """The line of a log that says most: a fatal check, else the last exception, else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    for pattern in (FATAL, EXCEPTION):
        found = [line for line in lines if pattern.search(line)]
        if found:
            return found[-1][:LINE_CHARS]
    return lines[-1][:LINE_CHARS] if lines else "none"
