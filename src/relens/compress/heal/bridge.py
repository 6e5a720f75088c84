"""Across kept operations: what they give to the pictures is worked out before the lifted model goes on behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from relens.compress.activations import Inside
from relens.compress.heal.compiling import compiles
from relens.errors import BadModel
from relens.graph import Graph, Tensor
from relens.graph.edit import inner_names
from relens.lift import Lifted, listed

Inputs = dict[str, NDArray[Any]]
"""Input name of a lifted model -> (N * a, ...) for the graph's (a, ...), one picture after the other."""


class Bridge:
    """From pictures to all that a lifted model starts from: the results of kept operations besides.

    What kept operations read is computed by the model in front of them, with its weights and roundings as they are
    now, and LiteRT runs them: so training sees what the whole graph will compute. Not for use from two threads.

    Raises:
        BadModel: RL-LIFT-001 when LiteRT cannot run a kept operation.
    """

    def __init__(self, lifted: Lifted) -> None:
        self.lifted, depths = lifted, _depths(lifted)
        levels = sorted({depths[tensor.index] for tensor in lifted.fed.values()})
        self._spans = [_span(lifted, depths, level) for level in levels]

    def __len__(self) -> int:
        """How many times the model has to go on before all is known; 0 where there is nothing to cross."""
        return len(self._spans)

    def __call__(self, pictures: Mapping[str, NDArray[Any]]) -> Inputs:
        """All inputs of the model, given those of the graph."""
        found = dict(pictures)
        for span in self._spans:
            found |= span(found)
        return found


@dataclass(frozen=True)
class _Span:
    """Kept operations that can answer together: none waits for what the model makes of another's answer.

    front: gives what they read, from inputs that are known already; None where they read nothing else.
    inside: runs them for one picture.
    reads, gives: what they read and their results, by name.
    """

    front: keras.Model | None
    inside: Inside
    reads: Mapping[str, Tensor]
    gives: tuple[str, ...]

    def __call__(self, known: Inputs) -> Inputs:
        """The results, given the inputs before."""
        values = dict(known)
        if self.front is not None:
            values |= self.front.predict_on_batch({name: known[name] for name in self.front.input})
        count = len(next(iter(known.values())))
        parts = [np.split(values[name].astype(one.dtype, copy=False), count) for name, one in self.reads.items()]
        answers = [self.inside(*(part[place] for part in parts)) for place in range(count)]
        return dict(zip(self.gives, map(np.concatenate, zip(*answers, strict=True)), strict=True))


def _span(lifted: Lifted, depths: Mapping[int, int], level: int) -> _Span:
    """Over those kept operations for which so many others have to answer before."""
    graph, names = lifted.graph, inner_names(lifted.graph)
    fed = [tensor.index for tensor in lifted.fed.values()]
    known = [tensor.index for tensor in graph.inputs] + [index for index in fed if depths[index] < level]
    gives = [index for index in fed if depths[index] == level]
    made = {names.index(name) for name in lifted.model.output}
    reads = _sources(graph, gives, {*known, *made})
    front = _front(lifted.model, [names[index] for index in known], [names[index] for index in reads if index in made])
    inside = _inside(lifted, gives, reads)
    return _Span(front, inside, {names[index]: graph.tensors[index] for index in reads}, tuple(names[i] for i in gives))


def _front(model: keras.Model, starts: Sequence[str], ends: Sequence[str]) -> keras.Model | None:
    """The part of the model from some inputs to some outputs."""
    if not ends:
        return None
    front = keras.Model({name: model.input[name] for name in starts}, {name: model.output[name] for name in ends})
    front.compile(jit_compile=compiles())
    return front


def _inside(lifted: Lifted, gives: Sequence[int], reads: Sequence[int]) -> Inside:
    """The kept operations between some tensors and others.

    Raises:
        BadModel: RL-LIFT-001 when LiteRT cannot run one.
    """
    try:
        return Inside(lifted.graph, gives, reads)
    except (RuntimeError, ValueError) as trouble:
        raise BadModel(
            "RL-LIFT-001",
            f"training has to run the operations that stay as they are, {listed(lifted.kept)}, and LiteRT cannot: "
            f"{str(trouble).strip().splitlines()[-1]}",
            hint="replace them by plain layers and export again, or cut them off: relens convert --outputs NAMES",
        ) from None


def _depths(lifted: Lifted) -> dict[int, int]:
    """Tensor -> how many kept operations have to answer one after the other before the model can make it."""
    kept, fed = {one.op.index for one in lifted.kept}, {tensor.index for tensor in lifted.fed.values()}
    depths: dict[int, int] = {}
    for op in lifted.graph.ops:
        waits = [depths.get(index, 0) + (index in fed and op.index not in kept) for index in op.inputs]
        depths |= dict.fromkeys(op.outputs, max(waits, default=0))
    return depths


def _sources(graph: Graph, tensors: Sequence[int], known: Iterable[int]) -> list[int]:
    """The known tensors that others are computed from."""
    known, waiting, seen = set(known), list(tensors), set(tensors)
    while waiting:
        op = graph.producers.get(waiting.pop())
        for index in op.inputs if op else ():
            if index not in seen:
                seen.add(index)
                waiting += [] if index in known else [index]
    return sorted(seen & known)
