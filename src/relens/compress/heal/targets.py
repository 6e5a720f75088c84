"""What the student learns from the teacher: each output, as scores or as values, and the features right before."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from relens.graph import Graph, Op
from relens.graph.tensor import DATA_POSITION, WEIGHTED

_PLAIN = frozenset({"RESHAPE", "SQUEEZE", "EXPAND_DIMS"})
_SCORES: dict[str, Literal["classes", "independent"]] = {"SOFTMAX": "classes", "LOGISTIC": "independent"}


@dataclass(frozen=True)
class Target:
    """A tensor to match.

    kind: `classes` are logits of one distribution over the last axis, `independent` are logits of as many yes-or-no
        questions, `values` are anything else, `feature` is an inner tensor.
    scores: of values, the `independent` logits that stand beside them at the same places, as a detector's objectness
        and classes beside its boxes: where all say no, nobody reads the values.
    """

    tensor: int
    kind: Literal["classes", "independent", "values", "feature"]
    scores: tuple[int, ...] = ()


def targets(
    graph: Graph, *, features: bool = True, kept: Collection[int] = (), read: Sequence[int] | None = None
) -> tuple[Target, ...]:
    """The tensors of a graph that training matches, in an order that depends on its outputs alone.

    kept: operations that are not in the lifted model; what they make is not matched.
    read: those of `kept` whose operands are matched instead, in this order; all of them where left out.

    In place of an output or operand that is no float, the nearest floats it is computed from are matched.
    """
    varying = _varying(graph)
    computed = {index: op for index, op in graph.producers.items() if op.index not in kept and index in varying}
    ends = _ends(graph, kept if read is None else read, computed)
    found = [target for index in ends for target in _output_targets(graph, index, computed)]
    if features:
        inner = dict.fromkeys(op.inputs[DATA_POSITION[op.name]] for op in heads(graph, ends))
        found += [Target(index, "feature") for index in inner if index in computed]
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


def _ends(graph: Graph, kept: Iterable[int], computed: dict[int, Op]) -> list[int]:
    """The outputs and what kept operations read; of another type than float, the nearest floats before."""
    waiting = [tensor.index for tensor in graph.outputs]
    waiting += [index for op in kept for index in graph.ops[op].inputs]
    found: dict[int, bool] = {}
    while waiting:
        index = waiting.pop(0)
        if index in computed and index not in found:
            found[index] = graph.tensors[index].dtype == "float32"
            waiting = [*(() if found[index] else computed[index].inputs), *waiting]
    return [index for index, real in found.items() if real]


def _varying(graph: Graph) -> set[int]:
    """The tensors that depend on the picture, not only on its size."""
    found = {tensor.index for tensor in graph.inputs}
    for op in graph.ops:
        if op.name != "SHAPE" and found & set(op.inputs):
            found |= set(op.outputs)
    return found


def _output_targets(graph: Graph, index: int, computed: dict[int, Op]) -> tuple[Target, ...]:
    """Of an output that holds scores side by side with other things, each part; else the output itself."""
    found = tuple(_parts(graph, index, computed))
    return found if any(part.kind != "values" for part in found) else (Target(index, "values"),)


def _parts(graph: Graph, index: int, computed: dict[int, Op]) -> Iterator[Target]:
    """The logits in front of each softmax or sigmoid that is only joined with others, and the rest as it is."""
    op = computed.get(index)
    if op is None:
        return
    if op.name in _PLAIN and op.inputs[0] in computed:
        yield from _parts(graph, op.inputs[0], computed)
    elif op.name == "CONCATENATION":
        joined = [part for operand in op.inputs for part in _parts(graph, operand, computed)]
        side_by_side = getattr(op.options, "axis", None) in (-1, len(graph.tensors[index].shape) - 1)
        yield from _scored(graph, joined) if side_by_side else joined
    elif op.name in _SCORES and getattr(op.options, "beta", 1.0) == 1.0 and op.inputs[0] in computed:
        yield Target(op.inputs[0], _SCORES[op.name])
    else:
        yield Target(index, "values")


def _scored(graph: Graph, joined: Sequence[Target]) -> Iterator[Target]:
    """Parts that are joined, the values with the scores of the same places."""
    scores = [part for part in joined if part.kind == "independent"]
    for part in joined:
        beside = tuple(one.tensor for one in scores if _places(graph, one) == _places(graph, part))
        yield replace(part, scores=beside) if part.kind == "values" and not part.scores else part


def _places(graph: Graph, target: Target) -> tuple[int, ...]:
    return graph.tensors[target.tensor].shape[:-1]
