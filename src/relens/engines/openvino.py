"""OpenVINO on the CPU, straight from the `.tflite` file."""

from collections import Counter
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from numpy.typing import NDArray

from relens.engines import Arrays, EngineReport, check_inputs
from relens.errors import EngineTrouble
from relens.graph import Graph, Tensor

COMPUTE_LAYERS = frozenset({"Convolution", "GroupConvolution", "FullyConnected", "MatMul", "Deconvolution"})


class OpenVino:
    """A graph compiled by OpenVINO for one stream of lowest latency."""

    def __init__(self, path: Path, threads: int) -> None:
        graph = Graph.read(path)
        self.inputs, self.outputs = graph.inputs, graph.outputs
        settings = {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            # Otherwise a CPU with bfloat16 rounds float32 graphs to it without a word.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        try:
            compiled = openvino.Core().compile_model(str(path), "CPU", settings)
        except RuntimeError as trouble:
            raise EngineTrouble(
                "RL-ENGINE-002",
                f"openvino refuses {path.name}: {_last_line(trouble)}",
                hint='use engines = ["litert"], or another scheme',
            ) from None
        self._request = compiled.create_infer_request()
        self._input_ports = {tensor.name: _port(compiled.inputs, tensor) for tensor in self.inputs}
        self._output_ports = {tensor.name: _port(compiled.outputs, tensor) for tensor in self.outputs}
        self.report = _report(compiled, threads)

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Run once; see `Engine.run`."""
        check_inputs(inputs, self.inputs)
        feed = {self._input_ports[name]: inputs[name] for name in self._input_ports}
        self._request.infer(feed, share_inputs=True)
        return {name: np.array(self._request.get_tensor(port).data) for name, port in self._output_ports.items()}


def load(path: Path, threads: int) -> OpenVino:
    """Load a `.tflite` file; see `relens.engines.load_engine`."""
    return OpenVino(path, threads)


def _port(ports: list[Any], tensor: Tensor) -> Any:
    for port in ports:
        if tensor.tensor_name in port.get_names():
            return port
    raise EngineTrouble(
        "RL-ENGINE-002",
        f"openvino lost the tensor `{tensor.name}` while compiling",
        hint='use engines = ["litert"]',
    )


def _report(compiled: Any, threads: int) -> EngineReport:
    kernels: Counter[str] = Counter()
    every: list[str] = []
    for layer in compiled.get_runtime_model().get_ops():
        facts = {key: str(value.astype(str)) for key, value in layer.get_rt_info().items() if key in _FACTS}
        every.append(f"{facts.get('layerType')} {facts.get('primitiveType')}")
        if facts.get("layerType") in COMPUTE_LAYERS:
            kernels[f"{facts['primitiveType']} {facts['runtimePrecision']}"] += 1
    precisions = Counter(kernel.rsplit(" ", 1)[-1] for kernel in kernels.elements())
    used = ", ".join(name for name, _ in kernels.most_common(2))
    return EngineReport(
        engine="openvino",
        version=version("openvino"),
        delegate=used or "none",
        partitions=1,
        fallback_ops=(),
        threads=threads,
        precision=" and ".join(name for name, _ in precisions.most_common()) or "unknown",
        kernels=tuple(sorted(kernel for kernel in every if not kernel.split()[1].startswith("unknown"))),
    )


_FACTS = ("layerType", "primitiveType", "runtimePrecision")


def _last_line(trouble: Exception) -> str:
    lines = [line.strip() for line in str(trouble).splitlines() if line.strip()]
    return lines[-1] if lines else type(trouble).__name__
