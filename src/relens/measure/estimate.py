"""How long a graph will take on a device that is not here, from its layers' multiply-adds and bytes: no measurement.

The coefficients are data: `[latency]` of a device profile. They were fitted to latencies measured on another processor
with the very kernels that the device's engine chooses (`bench/estimate.py`), and are carried over by a factor. So an
estimate is wrong in two ways, which it tells apart: by the formula, which was tried on architectures it had not seen;
and by the factor, which stays open until somebody measures on the device.

    time on the reference = sum over operations of (amount / rate of its kind and precision + overhead)
    time on the device    = that * factor + bytes through its main memory / bandwidth

The form is that of the roofline model (Williams, Waterman, Patterson 2009), with a sum where that has a maximum: a
small core hides little of its memory's time behind arithmetic.
"""

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from relens.graph import Graph, Op, Tensor
from relens.graph.cost import macs
from relens.spec import Device, LatencyModel

CONVOLUTION, DEPTHWISE, FULLY_CONNECTED, OTHER = KINDS = ("convolution", "depthwise", "fully_connected", "other")
OUTSIDE, MEMORY, OVERHEAD = "outside", "memory", "overhead"
BLOCK = {"float32": (1, 8), "int8": (8, 4)}
"""By precision: how many input and output channels the kernels take at once (XNNPACK's gemm 4x8 for SSE, 3x4c8 for
SSE4.1). A convolution of 3 channels costs an int8 kernel as much as one of 8."""
MORE_THREADS = 0.9
"""What each further thread adds, of the first (measured with LiteRT: two threads are 1.9 times as fast as one)."""

_KIND = {
    "CONV_2D": CONVOLUTION,
    "TRANSPOSE_CONV": CONVOLUTION,
    "DEPTHWISE_CONV_2D": DEPTHWISE,
    "FULLY_CONNECTED": FULLY_CONNECTED,
    "BATCH_MATMUL": FULLY_CONNECTED,
}
_OUTSIDE = {
    "float32": frozenset({"TILE", "GATHER_ND", "CUMSUM"}),
    "int8": frozenset({"HARD_SWISH", "RELU", "RELU6", "AVERAGE_POOL_2D", "SOFTMAX", "TILE"}),
}
"""By precision: what LiteRT 2.3 runs with plain loops of its own, outside XNNPACK (`EngineReport.fallback_ops`)."""
_MOST_CONCATENATED = 5  # XNNPACK leaves a concatenation of more tensors to LiteRT
_FREE = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})


@dataclass(frozen=True)
class Work:
    """What one operation asks of a processor.

    Attributes:
        kind: one of `KINDS`, or "outside": not on the engine's fast kernels.
        precision: "float32" or "int8".
        amount: multiply-accumulates, channels rounded up to the kernels' blocks; elsewhere elements, each as often as
            a pooling window looks at it.
        weight_bytes: constants it reads.
        activations: bytes of each tensor it reads or writes besides.
    """

    kind: str
    precision: str
    amount: int
    weight_bytes: int
    activations: tuple[int, ...]


@dataclass(frozen=True)
class Estimate:
    """An estimated latency of one inference, ms: an estimate, not measured.

    Attributes:
        median_ms: what the formula gives.
        low_ms, high_ms: where both errors together leave it (their factors' logarithms added as squares).
        shares: what the time is made of -> its fraction; the largest first.
        prediction_error: the factor by which the formula missed the worst of the latencies that were measured.
        transfer: (lowest, highest) factor from the reference to the device over the one taken: not known better.
        device, reference: the profile's name; the processor its rates were measured on.
        engine, threads: what it holds for.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    shares: dict[str, float]
    prediction_error: float
    transfer: tuple[float, float]
    device: str
    reference: str = field(repr=False)
    engine: str = "litert"
    threads: int = 1

    @property
    def dominant(self) -> str:
        """What takes most of the time: one of `KINDS`, "outside", "memory" or "overhead"."""
        return next(iter(self.shares))

    @property
    def figures(self) -> str:
        """`110 [77, 180]`: two digits each, ms."""
        return f"{rounded(self.median_ms)} [{rounded(self.low_ms)}, {rounded(self.high_ms)}]"

    def against(self, limit_ms: float) -> str:
        """Where a limit lies: beyond all of the estimate, below it, or within; the last two say little, too."""
        if self.low_ms > limit_ms:
            return "out of reach by the whole of the estimate"
        return "likely by the whole of the estimate" if self.high_ms <= limit_ms else "within the estimate's error"

    def __str__(self) -> str:
        return f"about {self.figures} ms (estimate, not measured)"

    def __repr__(self) -> str:
        made = ", ".join(
            f"{name.replace('_', ' ')} {100 * share:.0f} %" for name, share in self.shares.items() if share
        )
        low, high = self.transfer
        return "\n".join(
            [
                f"Estimate, not measured: {self.device}, {self.engine}, {self.threads} thread(s): {self}",
                f"  made of: {made}",
                f"  error of the formula: x/÷ {self.prediction_error:.2f}, on latencies measured on {self.reference}",
                f"  not known of the device: x {low:.2f} to {high:.2f}, until someone measures there",
            ]
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, three digits of each."""
        figures = {name: float(f"{getattr(self, name):.3g}") for name in ("median_ms", "low_ms", "high_ms")}
        return {
            "measured": False,
            **figures,
            "shares": {name: round(share, 3) for name, share in self.shares.items()},
            "prediction_error": self.prediction_error,
            "transfer": [round(side, 3) for side in self.transfer],
            "reference": self.reference,
            "engine": self.engine,
            "threads": self.threads,
        }


def estimate(graph: Graph, device: Device, engine: str = "litert", threads: int | None = None) -> Estimate | None:
    """Estimate a graph's latency on a device.

    Args:
        graph: float32, float16 weights or int8 throughout.
        device: its profile.
        engine: what runs it there.
        threads: how many the engine gets; default: what the profile gives it.

    Returns:
        None where there is nothing to estimate by: a profile without `[latency]`, another engine than it is for, or a
        precision it has no rates for (float activations on integer weights).
    """
    model = device.latency
    if model is None or engine != model.engine or not graph.ops:
        return None
    works = tuple(work(graph))
    if any(one.precision not in BLOCK for one in works):
        return None
    threads = threads or device.engine_threads
    faster = 1 + MORE_THREADS * (threads - 1)
    ms = {name: time * model.transfer.factor / faster for name, time in reference_ms(works, model).items()}
    ms[MEMORY] = memory_bytes(works, model.cache_mb * 1e6) / model.memory_gbs / 1e6
    total = sum(ms.values())
    low, high = (side / model.transfer.factor for side in (model.transfer.low, model.transfer.high))
    return Estimate(
        total,
        total / _together(model.prediction_error, 1 / low),
        total * _together(model.prediction_error, high),
        {name: ms[name] / total for name in sorted(ms, key=lambda name: -ms[name])},
        model.prediction_error,
        (low, high),
        device.name,
        model.reference,
        engine,
        threads,
    )


def work(graph: Graph) -> Iterator[Work]:
    """What each operation asks; those that do nothing when the graph runs are left out.

    float16 weights that a DEQUANTIZE unpacks are weights: kernels keep them as float32.
    """
    weights = {tensor.index for tensor in graph.tensors if tensor.constant}
    for op in graph.ops:
        read = [graph.tensors[index] for index in op.inputs if index >= 0]
        written = [graph.tensors[index] for index in op.outputs]
        if all(tensor.index in weights for tensor in read):
            weights |= {tensor.index for tensor in written}
            continue
        if op.name in _FREE:
            continue
        moved = [tensor for tensor in read if tensor.index not in weights] + written
        precision = _precision(op, graph)
        kind = _kind(op, precision)
        yield Work(
            kind,
            precision,
            _elements(op, moved, written) if kind in (OTHER, OUTSIDE) else _padded(graph, op, kind, precision),
            sum(tensor.size_bytes for tensor in read if tensor.index in weights),
            tuple(tensor.size_bytes for tensor in moved),
        )


def reference_ms(works: tuple[Work, ...], model: LatencyModel) -> dict[str, float]:
    """Milliseconds on the reference processor, by kind, and what operations cost by being there ("overhead")."""
    ms: dict[str, float] = defaultdict(float)
    for one in works:
        rates = model.int8 if one.precision == "int8" else model.float32
        rate = model.outside if one.kind == OUTSIDE else getattr(rates, one.kind)
        ms[one.kind] += one.amount / rate / 1e6
        ms[OVERHEAD] += model.overhead_us / 1e3
    return dict(ms)


def memory_bytes(works: tuple[Work, ...], cache_bytes: float) -> int:
    """What crosses main memory in one inference: all weights, and activations that leave no room in the cache."""
    kept = cache_bytes / 2
    return sum(one.weight_bytes + sum(size for size in one.activations if size > kept) for one in works)


def rounded(ms: float) -> str:
    """Two digits: an estimate has no more."""
    return f"{ms:.{max(0, 1 - math.floor(math.log10(ms)))}f}" if 0 < ms < 10 else f"{float(f'{ms:.2g}'):.0f}"


def _kind(op: Op, precision: str) -> str:
    outside = op.name in _OUTSIDE.get(precision, ())
    if outside or (op.name == "CONCATENATION" and len(op.inputs) > _MOST_CONCATENATED):
        return OUTSIDE
    return _KIND.get(op.name, OTHER)


def _elements(op: Op, moved: list[Tensor], written: list[Tensor]) -> int:
    window = getattr(op.options, "filterHeight", 1) * getattr(op.options, "filterWidth", 1)
    return max(*(tensor.elements for tensor in moved), window * sum(tensor.elements for tensor in written))


def _precision(op: Op, graph: Graph) -> str:
    """ "int8" or "float32" by what it computes on; "mixed" for float activations on integer weights."""
    data = next((graph.tensors[i] for i in op.inputs if i >= 0 and not graph.tensors[i].constant), None)
    integer = data is not None and data.dtype in ("int8", "uint8")
    if op.name in _KIND and not integer and any(_integer_weights(graph.tensors[i]) for i in op.inputs[:2] if i >= 0):
        return "mixed"
    return "int8" if integer else "float32"


def _integer_weights(tensor: Tensor) -> bool:
    return tensor.constant and tensor.dtype in ("int4", "int8", "uint8")


def _padded(graph: Graph, op: Op, kind: str, precision: str) -> int:
    count = macs(graph, op)
    if kind != CONVOLUTION or precision not in BLOCK:
        return count
    weights = graph.tensors[op.inputs[1]].shape  # (out, h, w, in)
    for channels, block in ((weights[-1], BLOCK[precision][0]), (weights[0], BLOCK[precision][1])):
        count = count // channels * (-(-channels // block) * block)
    return count


def _together(*factors: float) -> float:
    """Independent errors, each a factor, as one."""
    return math.exp(math.hypot(*(math.log(factor) for factor in factors)))
