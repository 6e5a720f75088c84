"""An engine that answers as on a lesser processor: a child process, `python -m relens.engines.limited`.

A limit (`engines.kernels`) holds for a whole process and comes before anything is loaded. So the engine runs in a
process of its own, and tensors go there and come back over its stdin and stdout, one message for each question and one
for each answer: whether it tells of a failure, length, body. A body is JSON, or arrays as `.npy` behind one another;
nothing is unpickled.
"""

import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import asdict
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from relens.engines import Arrays, Engine, EngineReport, check_inputs, load_engine
from relens.engines.failure import ended, heard, told
from relens.engines.kernels import confirm, limit
from relens.errors import EngineTrouble, RelensError
from relens.graph import Graph

_HEAD = struct.Struct("<?Q")
_GRACE_S = 5.0
"""For a process that has closed its pipes to be gone; it is killed then."""
_LOG_TAIL_BYTES = 4096


class LimitedEngine:
    """A graph on an engine that is kept to the kernels of a lesser processor; an `Engine`, until it is closed.

    Before it is there, it has run once and its kernels were looked at, so that every answer is one of those kernels.

    Args:
        path: a `.tflite` file.
        engine: "litert" or "openvino".
        kernels: one of `engines.kernels.LEVELS`.
        threads: how many it may use.
        timeout_s: how long one answer may take, loading included; then the process is given up.

    Raises:
        EngineTrouble: RL-ENGINE-004 when the engine cannot be limited, or did not keep to it; -001 or -002 as
            `load_engine`; -002, also of `run`, when the process fails or is given up, -004 when a signal ended it.
        BadModel: as `Graph.read`.
    """

    def __init__(self, path: Path, engine: str, kernels: str, threads: int = 1, *, timeout_s: float = 300) -> None:
        graph = Graph.read(path)
        self.inputs, self.outputs = graph.inputs, graph.outputs
        self._child = _Child(timeout_s)
        wanted = {"path": str(path), "engine": engine, "kernels": kernels, "threads": threads}
        found = json.loads(self._child.ask(json.dumps(wanted).encode()))
        self.report = EngineReport(**{key: _frozen(value) for key, value in found.items()})

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Run once; see `Engine.run`."""
        check_inputs(inputs, self.inputs)
        answer = self._child.ask(_packed(inputs[tensor.name] for tensor in self.inputs))
        return {tensor.name: value for tensor, value in zip(self.outputs, _unpacked(answer), strict=True)}

    def close(self) -> None:
        """End the process; the engine cannot run after that."""
        self._child.close()

    def __enter__(self) -> "LimitedEngine":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class _Child:
    """The process from outside. Whatever goes wrong with it, it is gone and collected before that is raised."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._given_up = False
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  open as long as the process; a pipe could fill up
        command = [sys.executable, "-m", "relens.engines.limited"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log)
        self._questions = cast(IO[bytes], self._process.stdin)
        self._answers = cast(IO[bytes], self._process.stdout)

    def ask(self, body: bytes) -> bytes:
        """Ask, and wait for the answer."""
        if self._log.closed:
            raise EngineTrouble("RL-ENGINE-002", "this engine's process has ended", hint="load it again")
        # Killing a process that hangs ends reading its answer, and writing what it does not read.
        timer = threading.Timer(self._timeout_s, self._give_up)
        timer.daemon = True
        timer.start()
        with ExitStack() as broken:  # by Ctrl-C, say: half a message would be taken for the next one
            broken.callback(self.close)
            try:
                _send(self._questions, body)
                failed, answer = _receive(self._answers)
            except (OSError, EOFError):
                raise self._failure() from None
            finally:
                timer.cancel()
            if failed:
                raise heard(json.loads(answer))
            broken.pop_all()
        return answer

    def close(self) -> None:
        """End it. It has nothing to save."""
        self._process.kill()
        self._process.wait()
        for file in (self._questions, self._answers, self._log):
            with suppress(OSError):  # what was not sent yet is flushed, to nobody
                file.close()

    def _give_up(self) -> None:
        self._given_up = True
        self._process.kill()

    def _failure(self) -> EngineTrouble:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE_S)
        self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
        log = self._log.read().decode(errors="replace")
        self.close()
        if self._given_up:
            return EngineTrouble(
                "RL-ENGINE-002",
                f"the engine in a process of its own gave no answer in {self._timeout_s:.0f} s",
                hint="leave this engine or scheme out, or try again when the machine is less busy",
            )
        return ended(self._process.returncode, log)


def _send(stream: IO[bytes], body: bytes, *, failed: bool = False) -> None:
    stream.write(_HEAD.pack(failed, len(body)))
    stream.write(body)
    stream.flush()


def _receive(stream: IO[bytes]) -> tuple[bool, bytes]:
    failed, length = _HEAD.unpack(_exactly(stream, _HEAD.size))
    return failed, _exactly(stream, length)


def _exactly(stream: IO[bytes], count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise EOFError
    return found


def _packed(arrays: Iterable[NDArray[np.generic]]) -> bytes:
    body = BytesIO()
    for array in arrays:
        np.lib.format.write_array(body, array, allow_pickle=False)
    return body.getvalue()


def _unpacked(body: bytes) -> list[NDArray[np.generic]]:
    stream, arrays = BytesIO(body), []
    while stream.tell() < len(body):
        arrays.append(np.lib.format.read_array(stream, allow_pickle=False))
    return arrays


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _load(wanted: dict[str, Any]) -> Engine:
    """Load within the limit, run, and look whether the engine kept to it; shapes are fixed, so it always will."""
    limit(wanted["kernels"], [wanted["engine"]])
    loaded = load_engine(Path(wanted["path"]), wanted["engine"], wanted["threads"])
    loaded.run({tensor.name: np.zeros(tensor.shape, tensor.dtype) for tensor in loaded.inputs})
    confirm(wanted["kernels"], [loaded.report])
    return loaded


def _answers_to(questions: IO[bytes]) -> Iterator[bytes]:
    """The child's side: what to load, answered by the engine's report; then inputs, each answered by outputs."""
    engine = _load(json.loads(_receive(questions)[1]))
    yield json.dumps(asdict(engine.report)).encode()
    while True:
        inputs = zip(engine.inputs, _unpacked(_receive(questions)[1]), strict=True)
        outputs = engine.run({tensor.name: value for tensor, value in inputs})
        yield _packed(outputs[tensor.name] for tensor in engine.outputs)


def _main() -> None:
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints goes to the log, not among the answers
    try:
        with suppress(EOFError):  # the parent's end of stdin closes, whatever ends the parent
            for answer in _answers_to(sys.stdin.buffer):
                _send(answers, answer)
    except RelensError as failure:
        _send(answers, json.dumps(told(failure)).encode(), failed=True)


if __name__ == "__main__":
    _main()
