"""What the student learns from the teacher: each output, as scores or as values, and the features right before."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from relens.graph import Graph, Op
from relens.graph.tensor import WEIGHTED

_PLAIN = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_SCORES: dict[str, Literal["classes", "independent"]] = {"SOFTMAX": "classes", "LOGISTIC": "independent"}


@dataclass(frozen=True)
class Target:
    """A tensor to match.

    kind: `classes` are logits of one distribution over the last axis, `independent` are logits of as many yes-or-no
        questions, `values` are anything else, `feature` is an inner tensor.
    """

    tensor: int
    kind: Literal["classes", "independent", "values", "feature"]


def targets(graph: Graph, *, features: bool = True, kept: Collection[int] = ()) -> tuple[Target, ...]:
    """The tensors of a graph that training matches, in an order that depends on its outputs alone.

    kept: operations that are not in the lifted model; what they read is matched in place of what they make.
    """
    producer = graph.producers
    ends = _ends(graph, kept)
    found = [_output_target(index, producer) for index in ends]
    if features:
        inner = dict.fromkeys(op.inputs[_data_position(op)] for op in heads(graph, ends))
        found += [Target(index, "feature") for index in inner if index in producer]
    return tuple(dict.fromkeys(found))


def heads(graph: Graph, ends: Sequence[int] | None = None) -> Iterator[Op]:
    """The last operations with weights on each way to an end, by default the outputs."""
    waiting, seen = list(ends or [tensor.index for tensor in graph.outputs]), set()
    while waiting:
        op = graph.producers.get(waiting.pop(0))
        if op is None or op.index in seen:
            continue
        seen.add(op.index)
        if op.name in WEIGHTED:
            yield op
        else:
            waiting += [index for index in op.inputs if index >= 0]


def _ends(graph: Graph, kept: Collection[int]) -> list[int]:
    producer = graph.producers
    made = [tensor.index for tensor in graph.outputs if tensor.index in producer]
    ends = [index for index in made if producer[index].index not in kept]
    read = (index for op in kept for index in graph.ops[op].inputs if index in producer)
    computed = (index for index in read if producer[index].index not in kept)
    return list(dict.fromkeys([*ends, *(index for index in computed if graph.tensors[index].dtype == "float32")]))


def _output_target(index: int, producer: dict[int, Op]) -> Target:
    """The logits in front of a softmax or a sigmoid, where the output is nothing but one of these."""
    start = index
    while (op := producer.get(index)) is not None:
        if op.name in _SCORES and getattr(op.options, "beta", 1.0) == 1.0:
            return Target(op.inputs[0], _SCORES[op.name])
        if op.name not in _PLAIN:
            break
        index = op.inputs[0]
    return Target(start, "values")


def _data_position(op: Op) -> int:
    return 2 if op.name == "TRANSPOSE_CONV" else 0
