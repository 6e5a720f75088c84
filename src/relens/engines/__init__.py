"""Run a graph. One file an engine, one Protocol; each says what really ran.

A package adds its own under the entry-point group `relens.engines`: a name, and a function
`(path, threads) -> Engine`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from relens.errors import EngineTrouble
from relens.graph import Tensor

BUILT_IN = {
    "litert": ("relens.engines.litert", "ai_edge_litert", "pip install relens"),
    "openvino": ("relens.engines.openvino", "openvino", 'pip install "relens[openvino]"'),
}

Arrays = Mapping[str, NDArray[np.generic]]


@dataclass(frozen=True)
class EngineReport:
    """What really runs: engine and version, delegate, how many partitions it took, threads, kernels' types.

    partitions: sub-graphs handed to the delegate; more than one means hand-overs in between.
    fallback_ops: operators left to the engine's reference kernels.
    kernels: layer and kernel of all that runs, as `Convolution jit_avx512_f32`; empty where the engine does not tell.
    """

    engine: str
    version: str
    delegate: str
    partitions: int
    fallback_ops: tuple[str, ...]
    threads: int
    precision: str
    kernels: tuple[str, ...] = ()

    def __str__(self) -> str:
        left = f", {len(self.fallback_ops)} ops outside" if self.fallback_ops else ""
        return (
            f"{self.engine} {self.version}, {self.delegate} in {self.partitions} partition(s){left}, "
            f"{self.precision}, {self.threads} thread(s)"
        )


class Engine(Protocol):
    """A loaded graph. Arrays go in and come out by signature name, in the graph's own dtypes."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    report: EngineReport

    def run(self, inputs: Arrays) -> dict[str, NDArray[np.generic]]:
        """Run once. The returned arrays are the caller's to keep."""
        ...


Loader = Callable[[Path, int], Engine]


def available() -> tuple[str, ...]:
    """The engines that are installed here."""
    built_in = tuple(name for name, (_, package, _) in BUILT_IN.items() if find_spec(package))
    return (*built_in, *(point.name for point in entry_points(group="relens.engines")))


def load_engine(path: Path, engine: str = "litert", threads: int = 1) -> Engine:
    """Load a graph file into an engine.

    Args:
        path: a `.tflite` file. Loaded by path, so that its pages stay reclaimable.
        engine: one of `available()`.
        threads: how many threads it may use.

    Raises:
        EngineTrouble: RL-ENGINE-001 when the engine is unknown or not installed, -002 when it refuses the graph.
    """
    for point in entry_points(group="relens.engines", name=engine):
        plugin: Loader = point.load()
        return plugin(path, threads)
    if engine not in BUILT_IN:
        raise EngineTrouble(
            "RL-ENGINE-001",
            f"there is no engine `{engine}`",
            hint=f"installed here: {', '.join(available())}",
        )
    module, package, install = BUILT_IN[engine]
    if not find_spec(package):
        raise EngineTrouble("RL-ENGINE-001", f"the engine `{engine}` is not installed", hint=install)
    loader: Loader = import_module(module).load
    return loader(path, threads)


def dequantize(values: NDArray[np.generic], tensor: Tensor) -> NDArray[np.float32]:
    """Real values of an output, float32: `(q - zero_point) * scale` where it is quantized."""
    if tensor.scale is None:
        return np.asarray(values, np.float32)
    return (values.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scale)


def check_inputs(inputs: Arrays, tensors: tuple[Tensor, ...]) -> None:
    """Refuse arrays that do not fit.

    Raises:
        EngineTrouble: RL-ENGINE-003 that names the input, what it wants and what it got.
    """
    for tensor in tensors:
        value = inputs.get(tensor.name)
        if value is None or value.shape != tensor.shape or value.dtype != tensor.dtype:
            got = "nothing" if value is None else f"{value.dtype} {value.shape}"
            raise EngineTrouble(
                "RL-ENGINE-003",
                f"input `{tensor.name}` wants {tensor.dtype} {tensor.shape} and got {got}",
                hint="correct `[input]`, or pass the array in that shape and type",
            )
