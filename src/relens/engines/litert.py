"""LiteRT (TensorFlow Lite) with its XNNPACK delegate."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from relens.engines import Arrays, EngineReport, check_inputs
from relens.engines.silence import silent_library
from relens.errors import EngineTrouble
from relens.graph import Graph


class LiteRT:
    """A graph in LiteRT's interpreter."""

    def __init__(self, path: Path, threads: int) -> None:
        graph = Graph.read(path)
        self.inputs, self.outputs = graph.inputs, graph.outputs
        try:
            with silent_library():
                self._interpreter = Interpreter(str(path), num_threads=threads)
                self._interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as trouble:
            raise EngineTrouble(
                "RL-ENGINE-002",
                f"litert refuses {path.name}: {str(trouble).strip().splitlines()[-1]}",
                hint=f"relens inspect {path}",
            ) from None
        self.report = self._report(threads, graph)

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Run once; see `Engine.run`."""
        check_inputs(inputs, self.inputs)
        for tensor in self.inputs:
            self._interpreter.set_tensor(tensor.index, inputs[tensor.name])
        self._interpreter.invoke()
        return {tensor.name: self._interpreter.get_tensor(tensor.index) for tensor in self.outputs}

    def _report(self, threads: int, graph: Graph) -> EngineReport:
        nodes = self._interpreter._get_ops_details()
        delegates = [node for node in nodes if node["op_name"] == "DELEGATE"]
        return EngineReport(
            engine="litert",
            version=version("ai-edge-litert"),
            delegate="XNNPACK" if delegates else "none",
            partitions=len(delegates),
            fallback_ops=_fallback(nodes, [tensor.index for tensor in self.outputs]),
            threads=threads,
            precision=_precision(graph),
        )


def load(path: Path, threads: int) -> LiteRT:
    """Load a `.tflite` file; see `relens.engines.load_engine`."""
    return LiteRT(path, threads)


def _fallback(nodes: list[dict[str, Any]], outputs: list[int]) -> tuple[str, ...]:
    """Names of the ops that run outside of a delegate.

    The interpreter lists replaced ops still, and delegate nodes after them; so the later producer of a tensor is
    the one that runs, and walking back from the outputs visits just what runs.
    """
    producer = {int(tensor): node for node in nodes for tensor in node["outputs"]}
    running: dict[int, str] = {}
    waiting = list(outputs)
    while waiting:
        node = producer.get(waiting.pop())
        if node is None or node["index"] in running:
            continue
        running[node["index"]] = node["op_name"]
        waiting += [int(tensor) for tensor in node["inputs"]]
    return tuple(name for _, name in sorted(running.items()) if name != "DELEGATE")


def _precision(graph: Graph) -> str:
    kinds = {tensor.dtype for tensor in graph.tensors if not tensor.constant}
    if "int8" not in kinds:
        return "float32"
    return "int8" if "float32" not in kinds else "int8 and float32"
