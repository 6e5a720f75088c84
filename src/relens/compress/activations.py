"""Look inside a graph while it runs on pictures: inner tensors, without computing what lies behind them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from relens.engines.silence import silent_library
from relens.errors import BadConfig
from relens.graph import Graph
from relens.graph.edit import compacted
from relens.graph.flatbuffer import edited
from relens.spec import InputSpec
from relens.vision.frames import Frames
from relens.vision.preprocess import Preprocessor

Array = NDArray[np.float32]


class Inside:
    """A graph that stops at some of its tensors.

    Args:
        graph: with one input.
        tensors: indices of the tensors to see; the graph's input may be among them.
        threads: of the runtime.
    """

    def __init__(self, graph: Graph, tensors: Sequence[int], threads: int = 2) -> None:
        self._wanted = list(tensors)
        self._input = graph.inputs[0].index
        self._seen = [index for index in dict.fromkeys(tensors) if index != self._input]
        self._runtime: Any = None
        if self._seen:
            with silent_library():
                self._runtime = Interpreter(model_content=_until(graph, self._seen).content, num_threads=threads)
                self._runtime.allocate_tensors()
            self._feed = self._runtime.get_input_details()[0]["index"]
            self._places = [item["index"] for item in self._runtime.get_output_details()]

    def __call__(self, picture: Array) -> list[Array]:
        """The tensors, in the order asked for, for one input tensor."""
        found = {self._input: picture}
        if self._seen:
            self._runtime.set_tensor(self._feed, picture)
            self._runtime.invoke()
            found |= {t: self._runtime.get_tensor(p) for t, p in zip(self._seen, self._places, strict=True)}
        return [found[index] for index in self._wanted]


def prepared(graph: Graph, frames: Frames, spec: InputSpec) -> list[Array]:
    """Pictures as input tensors of a graph, float32, by the contract.

    Raises:
        BadConfig: RL-CONFIG-003, the graph has other inputs than one picture, or the contract does not fit it.
    """
    if len(graph.inputs) != 1:
        names = ", ".join(tensor.name for tensor in graph.inputs)
        raise BadConfig(
            "RL-CONFIG-003",
            f"the model has {len(graph.inputs)} inputs ({names}), and a picture fills one",
            hint="export the model with one picture input, the others as constants",
        )
    prepare = Preprocessor(spec, graph.inputs[0])
    return [np.array(prepare(frame).tensor, np.float32) for frame in frames]


def answers(graph: Graph, pictures: Sequence[Array], threads: int = 2) -> list[Array]:
    """Each of the graph's outputs over the pictures, (pictures, ...) float32."""
    inside = Inside(graph, [tensor.index for tensor in graph.outputs], threads)
    return [np.concatenate(items) for items in zip(*map(inside, pictures), strict=True)]


def places(op: int, pictures: int, count: int, total: int) -> Iterator[NDArray[np.int64]]:
    """For each picture the same places whenever asked: at most `count` of `total`, drawn for this operation."""
    for picture in range(pictures):
        if count >= total:
            yield np.arange(total)
        else:
            yield np.random.default_rng((op, picture)).choice(total, count, replace=False)


def _until(graph: Graph, tensors: Sequence[int]) -> Graph:
    def change(model: Any) -> None:
        model.subgraphs[0].outputs = list(tensors)
        model.signatureDefs = []

    return compacted(edited(graph, change))
