"""Look inside a graph while it runs on pictures: inner tensors, without computing what lies behind them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from relens.engines.silence import silent_library
from relens.graph import Graph
from relens.graph.edit import compacted
from relens.graph.flatbuffer import edited
from relens.spec import InputSpec
from relens.vision.frames import Frames
from relens.vision.preprocess import Preprocessor, picture_input

Array = NDArray[np.float32]
Spot = tuple[int, int]
"""A tensor by who makes it: an operation and which of its outputs. The graph's only input is (-1, 0)."""

CHECKPOINT_BYTES = 2**28


class Inside:
    """A part of a graph: from some tensors to others.

    Args:
        graph: float.
        tensors: indices of the tensors to see; those fed may be among them.
        fed: indices of the tensors to start from; the graph's inputs where left out.
        threads: of the runtime.
    """

    def __init__(
        self, graph: Graph, tensors: Sequence[int], fed: Sequence[int] | None = None, threads: int = 1
    ) -> None:
        self._wanted = list(tensors)
        self._fed = [tensor.index for tensor in graph.inputs] if fed is None else list(fed)
        self._seen = [index for index in dict.fromkeys(tensors) if index not in self._fed]
        if self._seen:
            self._used = _needed(graph, self._seen, self._fed)
            part = _between(graph, self._used, self._seen)
            with silent_library():
                self._runtime: Any = Interpreter(model_content=part.content, num_threads=threads)
                self._runtime.allocate_tensors()
            self._feeds = [item["index"] for item in self._runtime.get_input_details()]
            self._places = [item["index"] for item in self._runtime.get_output_details()]

    def __call__(self, *values: Array) -> list[Array]:
        """The tensors, in the order asked for, given those fed."""
        found = dict(zip(self._fed, values, strict=True))
        if self._seen:
            for place, index in zip(self._feeds, self._used, strict=True):
                self._runtime.set_tensor(place, found[index])
            self._runtime.invoke()
            found |= {t: self._runtime.get_tensor(p) for t, p in zip(self._seen, self._places, strict=True)}
        return [found[index] for index in self._wanted]


class Checkpoint:
    """Where a graph stands on each picture after its first operations, so that later ones need not start anew.

    It holds what those have made and later ones read. The first operations must not change any more; later ones may,
    and so may tensor indices, as long as the operations stay in place.
    """

    def __init__(self, pictures: Sequence[Array]) -> None:
        self._spots: list[Spot] = [(-1, 0)]
        self._values: list[list[Array]] = [[picture] for picture in pictures]

    def advance(self, graph: Graph, op: int) -> None:
        """Run up to the operation, if what is alive before it fits into memory."""
        spots = _alive(graph, op)
        size = sum(graph.tensors[_tensor(graph, spot)].size_bytes for spot in spots) * len(self._values)
        if size <= CHECKPOINT_BYTES:
            self._values = list(self.see(graph, [_tensor(graph, spot) for spot in spots]))
            self._spots = spots

    def see(self, graph: Graph, tensors: Sequence[int]) -> Iterator[list[Array]]:
        """The tensors for each picture, in turn."""
        inside = Inside(graph, tensors, [_tensor(graph, spot) for spot in self._spots])
        return (inside(*values) for values in self._values)


def prepared(graph: Graph, frames: Frames, spec: InputSpec) -> list[Array]:
    """Pictures as input tensors of a graph, float32, by the contract.

    Raises:
        BadConfig: RL-CONFIG-003, the graph has other inputs than one picture, or the contract does not fit it.
    """
    prepare = Preprocessor(spec, picture_input(graph.inputs))
    return [np.array(prepare(frame).tensor, np.float32) for frame in frames]


def answers(graph: Graph, pictures: Sequence[Array]) -> list[Array]:
    """Each of the graph's outputs over the pictures, (pictures, ...) float32."""
    inside = Inside(graph, [tensor.index for tensor in graph.outputs])
    return [np.concatenate(items) for items in zip(*map(inside, pictures), strict=True)]


def places(op: int, pictures: int, count: int, total: int) -> Iterator[NDArray[np.int64]]:
    """For each picture the same places whenever asked: at most `count` of `total`, drawn for this operation."""
    for picture in range(pictures):
        if count >= total:
            yield np.arange(total)
        else:
            yield np.random.default_rng((op, picture)).choice(total, count, replace=False)


def _needed(graph: Graph, seen: Sequence[int], fed: Sequence[int]) -> list[int]:
    """Those of the tensors fed that the tensors seen depend on."""
    reached = set(seen)
    for op in reversed(graph.ops):
        if reached & set(op.outputs) - set(fed):
            reached |= set(op.inputs)
    return [index for index in fed if index in reached]


def _alive(graph: Graph, op: int) -> list[Spot]:
    """What is made before an operation and read by it or later, or is an output."""
    makers = {tensor: (maker.index, place) for maker in graph.ops for place, tensor in enumerate(maker.outputs)}
    makers |= {tensor.index: (-1, 0) for tensor in graph.inputs}
    read = {tensor for later in graph.ops[op:] for tensor in later.inputs}
    return sorted({makers[tensor] for tensor in read if tensor in makers and makers[tensor][0] < op})


def _tensor(graph: Graph, spot: Spot) -> int:
    return graph.inputs[0].index if spot[0] < 0 else graph.ops[spot[0]].outputs[spot[1]]


def _between(graph: Graph, fed: Sequence[int], seen: Sequence[int]) -> Graph:
    def change(model: Any) -> None:
        main = model.subgraphs[0]
        made = set(fed)
        main.operators = [op for op in main.operators if not made & set(op.outputs)]
        main.inputs, main.outputs = list(fed), list(seen)
        model.signatureDefs = []

    return compacted(edited(graph, change))
