"""What goes on inside a graph while it answers: inner tensors in real numbers, and what they amount to a channel."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from relens.engines.silence import silent_library
from relens.graph import Graph, Tensor
from relens.graph.edit import compacted
from relens.graph.flatbuffer import edited
from relens.quantize import Samples

Array = NDArray[np.float32]
Float64 = NDArray[np.float64]

THREADS = 2


class Inner:
    """Some tensors of a graph, seen on samples; nothing behind the last of them is computed.

    Args:
        graph: float, integer or mixed.
        tensors: indices of activations.
    """

    def __init__(self, graph: Graph, tensors: Sequence[int]) -> None:
        self._inputs = {tensor.index: tensor for tensor in graph.inputs}
        self._wanted = [graph.tensors[index] for index in tensors]
        self._seen = [index for index in dict.fromkeys(tensors) if index not in self._inputs]
        with silent_library():
            cut = _until(graph, self._seen or [graph.outputs[0].index])
            self._runtime: Any = Interpreter(model_content=cut.content, num_threads=THREADS)
            self._runtime.allocate_tensors()
        # The inputs of the file stand in its own order; those of the graph in the signature's.
        fed = sorted(graph.inputs, key=lambda tensor: tensor.index)
        places = sorted(item["index"] for item in self._runtime.get_input_details())
        self._feeds = list(zip(fed, places, strict=True))
        self._places = [item["index"] for item in self._runtime.get_output_details()]

    def __call__(self, sample: Mapping[str, NDArray[Any]]) -> list[Array]:
        """The tensors as real numbers, in the order asked for."""
        stored: dict[int, NDArray[Any]] = {}
        for tensor, place in self._feeds:
            stored[tensor.index] = _stored(sample[tensor.name], tensor)
            self._runtime.set_tensor(place, stored[tensor.index])
        self._runtime.invoke()
        stored |= {
            index: self._runtime.get_tensor(place) for index, place in zip(self._seen, self._places, strict=False)
        }
        return [_real(stored[tensor.index], tensor) for tensor in self._wanted]


@dataclass(frozen=True)
class ChannelStatistics:
    """One activation over all samples; its channels are its last axis.

    Attributes:
        low: (C,) the smallest value of each channel, the mean over samples.
        high: (C,) the largest, likewise.
        mean: (C,).
        variance: (C,).
        peak: (C,) the largest value of each channel in any sample.
        range: the mean over samples of the whole tensor's extremes: what calibration would find.
    """

    low: Float64
    high: Float64
    mean: Float64
    variance: Float64
    peak: Float64
    range: tuple[float, float]

    @property
    def largest(self) -> Float64:
        """(C,) the largest absolute value of each channel, the mean over samples."""
        return np.maximum(np.abs(self.low), np.abs(self.high))


def channel_statistics(graph: Graph, samples: Samples, tensors: Sequence[int]) -> dict[int, ChannelStatistics]:
    """Look at some activations over all samples; one pass, memory independent of their number."""
    if not tensors:
        return {}
    inner = Inner(graph, tensors)
    sums: list[list[Float64]] = []
    peaks: list[Float64] = []
    for sample in samples:
        rows = [_moments(value) for value in inner(sample)]
        highs = [row[1] for row in rows]
        peaks = [np.maximum(a, b) for a, b in zip(peaks, highs, strict=True)] if peaks else highs
        sums = [[a + b for a, b in zip(*pair, strict=True)] for pair in zip(sums, rows, strict=True)] if sums else rows
    found = {}
    for tensor, total, peak in zip(tensors, sums, peaks, strict=True):
        low, high, mean, square, edges = (part / len(samples) for part in total)
        variance = np.maximum(square - mean**2, 0)
        found[tensor] = ChannelStatistics(low, high, mean, variance, peak, (float(edges[0]), float(edges[1])))
    return found


def activations(graph: Graph) -> list[int]:
    """The float activations of a graph that operations in use write or read, in order."""
    touched = {index for op in graph.ops for index in (*op.inputs, *op.outputs) if index >= 0}
    return [
        tensor.index
        for tensor in graph.tensors
        if tensor.index in touched and not tensor.constant and not tensor.variable and tensor.dtype == "float32"
    ]


def readers(graph: Graph) -> dict[int, list[tuple[int, int]]]:
    """Who reads each tensor: (operation, position of the operand)."""
    found: dict[int, list[tuple[int, int]]] = {}
    for op, position, index in _operands(graph):
        found.setdefault(index, []).append((op, position))
    return found


def _operands(graph: Graph) -> Iterator[tuple[int, int, int]]:
    for op in graph.ops:
        for position, index in enumerate(op.inputs):
            if index >= 0:
                yield op.index, position, index


def _moments(value: Array) -> list[Float64]:
    channels = value.reshape(-1, value.shape[-1] if value.ndim else 1).astype(np.float64)
    edges = np.array([channels.min(), channels.max()])
    return [channels.min(0), channels.max(0), channels.mean(0), (channels**2).mean(0), edges]


def _stored(value: NDArray[Any], tensor: Tensor) -> NDArray[Any]:
    if not tensor.quantized:
        return value
    limits = np.iinfo(tensor.dtype)
    levels = np.rint(value / np.float32(tensor.scales[0])) + tensor.zero_point
    return np.asarray(np.clip(levels, limits.min, limits.max).astype(tensor.dtype))


def _real(value: NDArray[Any], tensor: Tensor) -> Array:
    if not tensor.quantized:
        return np.asarray(value, np.float32)
    return np.asarray((value.astype(np.float32) - tensor.zero_point) * np.float32(tensor.scales[0]))


def _until(graph: Graph, tensors: Sequence[int]) -> Graph:
    def change(model: Any) -> None:
        model.subgraphs[0].outputs = list(tensors)
        model.signatureDefs = []

    return compacted(edited(graph, change))
