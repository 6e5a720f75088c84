"""Repair a cut graph without training: every linear operation in turn learns to answer as the original's does.

The inputs are the *cut* graph's own, so that each operation also makes up for what went wrong before it
(asymmetric reconstruction: He, Zhang & Sun, "Channel Pruning", ICCV 2017); the target is the original's answer before
its activation. Where the result is added to a shortcut, what the shortcut lacks is part of the target. Each is a ridge
regression towards the present weights; its strength is chosen on pictures that it did not see, "leave as it is"
being one of the choices.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relens.compress.activations import Array, Checkpoint, places
from relens.compress.channels.groups import Groups, Kept
from relens.compress.channels.layout import Ids
from relens.compress.channels.linear import Linear, linear
from relens.compress.channels.regression import UNSEEN, Repaired, Sums, solved
from relens.graph import Graph, Op
from relens.graph.edit import Operand, with_operands

BATCH = 12  # pictures whose rows are multiplied at once
ROWS = 12_288
WINDOW = 6  # operations between two checkpoints
WINDOW_BYTES = 2**29
LARGEST = 6144


def repaired(
    groups: Groups,
    kept: Kept,
    student: Graph,
    pictures: Sequence[Array],
    *,
    teacher: Graph | None = None,
    rows: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> tuple[Graph, tuple[Repaired, ...]]:
    """The cut graph with every linear operation behind the first cut refitted, in order of execution.

    Args:
        groups: the original and its channels. kept: (units,) bool, what the student has.
        student: the cut graph, operation for operation that of the original.
        pictures: input tensors.
        teacher: whose outputs to give, where not the original's; only the operations right before an output listen.
        rows: of each picture and operation, how many places count; more where an operation has many inputs. Without
            it, so many that all pictures together make 12,288.
        progress: told the fraction done, 0..1.
    """
    graph = groups.graph
    rows = rows or max(16, ROWS // len(pictures))
    first = min(
        (s.op for s in groups.slices if s.role == "reads" and not kept[s.channels].all()), default=len(graph.ops)
    )
    found = (linear(graph, op) for op in graph.ops[first:])
    todo = [item for item in found if item is not None and item.weights.size // len(item.bias) <= LARGEST]
    masters = _masters(graph, teacher) if teacher is not None else {}
    theirs, ours = Checkpoint(pictures), Checkpoint(pictures)
    done: list[Repaired] = []
    for window in _windows(todo, len(pictures), rows):
        theirs.advance(graph, window[0].op)
        ours.advance(student, window[0].op)
        targets = _targets(graph, window, theirs, _places(window, len(pictures), rows))
        for item in window:
            if item.op in masters:
                where = _places([item], len(pictures), rows)[item.op]
                its = _targets(teacher or graph, [masters[item.op]], Checkpoint(pictures), {masters[item.op].op: where})
                targets[item.op] = its[masters[item.op].op]
            change, report = _repair(groups, kept, student, item, targets.pop(item.op), ours, rows)
            student = with_operands(student, change) if change else student
            done.append(report)
            if progress is not None:
                progress(len(done) / len(todo))
    return student, tuple(done)


def _repair(
    groups: Groups, kept: Kept, student: Graph, item: Linear, targets: list[Array], ours: Checkpoint, rows: int
) -> tuple[Mapping[Operand, Array], Repaired]:
    mine = linear(student, student.ops[item.op])
    assert mine is not None
    made = kept[groups.layouts[groups.graph.ops[item.op].outputs[0]].ids]
    columns = made[item.outputs].reshape(-1)
    beside = _shortcut(groups.graph, groups.graph.ops[item.op])
    tensors = [mine.data] + ([student.ops[beside[0]].inputs[beside[1]]] if beside else [])
    present = np.concatenate([mine.matrix, (mine.bias[mine.outputs] * mine.has_bias_row)[:, None]], axis=1)
    sums = Sums(present), Sums(present)  # to fit, to choose
    moments = np.zeros((2, mine.parts, present.shape[2]))
    where = _places([item], len(targets), rows)[item.op]
    size = max(1, min(BATCH, len(targets) // (2 * UNSEEN)))  # so that few pictures too are some unseen
    batch: tuple[list[Array], list[Array]] = [], []
    seen = ours.see(student, tensors)
    for index, (wanted, at, (data, *rest)) in enumerate(zip(targets, where, seen, strict=True)):
        y = wanted[:, columns]
        if rest:  # the target holds the original's whole sum; the shortcut brings a part of it
            y = y - rest[0].reshape(-1, rest[0].shape[-1])[at]
        y = y.reshape(len(at), mine.parts, -1).transpose(1, 0, 2)
        moments += y.sum(1), np.square(y).sum(1)
        batch[0].append(mine.rows(data, at))
        batch[1].append(y)
        if len(batch[0]) == size or index == len(targets) - 1:
            _take(sums[index // size % UNSEEN == UNSEEN - 1], mine, present, batch)
            batch = [], []
    count = sum(map(len, targets))
    variance = max(float((moments[1] - np.square(moments[0]) / count).sum()), 1e-12)
    return solved(mine, present, sums, variance)


def _take(sums: Sums, item: Linear, present: NDArray[np.float64], batch: tuple[list[Array], list[Array]]) -> None:
    x, y = (np.concatenate(rows, axis=1) for rows in batch)
    ones = np.full((*x.shape[:2], 1), float(item.has_bias_row), np.float32)
    x = np.concatenate([x, ones], axis=2)
    sums.add(x, y - x @ present.astype(np.float32))


def _targets(
    graph: Graph, window: Sequence[Linear], theirs: Checkpoint, where: Mapping[int, Iterator[Ids]]
) -> dict[int, list[Array]]:
    """What the original's operations answer before their activation, each picture (places, outputs) float32.

    Where a shortcut is added at once, it is part of the answer.
    """
    besides = {item.op: _shortcut(graph, graph.ops[item.op]) for item in window}
    tensors = [item.data for item in window]
    tensors += [graph.ops[b[0]].inputs[b[1]] for b in besides.values() if b]
    found: dict[int, list[Array]] = {item.op: [] for item in window}
    matrices = {item.op: item.matrix.astype(np.float32) for item in window}
    for seen in theirs.see(graph, tensors):
        shortcuts = iter(seen[len(window) :])
        for item, data in zip(window, seen, strict=False):
            at = next(where[item.op])
            y = item.rows(data, at) @ matrices[item.op]
            y = y.transpose(1, 0, 2).reshape(len(at), -1)
            if item.has_bias_row:
                y += item.bias
            if besides[item.op]:
                shortcut = next(shortcuts)
                y += shortcut.reshape(-1, shortcut.shape[-1])[at]
            found[item.op].append(y)
    return found


def _shortcut(graph: Graph, op: Op) -> tuple[int, int] | None:
    """The operand (operation, position) that is added to this one's output at once; None where there is none."""
    readers = [other for other in graph.ops if op.outputs[0] in other.inputs]
    if op.name == "TRANSPOSE_CONV" or getattr(op.options, "fusedActivationFunction", None):
        return None
    if len(readers) != 1 or readers[0].name != "ADD" or readers[0].inputs.count(op.outputs[0]) != 1:
        return None
    position = 1 - readers[0].inputs.index(op.outputs[0])
    other = readers[0].inputs[position]
    shape = graph.tensors[op.outputs[0]].shape
    early = all(maker.index < op.index for maker in graph.ops if other in maker.outputs)
    fits = not graph.tensors[other].constant and graph.tensors[other].shape == shape and len(shape) in (2, 4)
    return (readers[0].index, position) if early and fits else None


def _masters(graph: Graph, teacher: Graph) -> dict[int, Linear]:
    """The teacher's operation that gives an output, by this graph's own that gives the same one."""
    found = {}
    for mine, its in zip(graph.outputs, teacher.outputs, strict=False):
        one, other = _source(graph, mine.index), _source(teacher, its.index)
        if one and other and one.out_shape == other.out_shape:
            found[one.op] = other
    return found


def _source(graph: Graph, tensor: int) -> Linear | None:
    """The linear operation behind an output, with nothing in between that mixes or adds."""
    makers = graph.producers
    while tensor in makers and makers[tensor].name in ("SOFTMAX", "LOGISTIC", "RESHAPE", "RELU", "RELU6", "TANH"):
        tensor = makers[tensor].inputs[0]
    return linear(graph, makers[tensor]) if tensor in makers else None


def _places(window: Sequence[Linear], pictures: int, rows: int) -> dict[int, Iterator[Ids]]:
    """Where to look at each operation's rows, picture by picture; the same whenever asked."""
    return {item.op: places(item.op, pictures, _count(item, rows, pictures), item.total_rows) for item in window}


def _count(item: Linear, rows: int, pictures: int) -> int:
    features = int(item.matrix.shape[1])
    return min(item.total_rows, max(rows, -(-6 * features // pictures)))


def _windows(todo: Sequence[Linear], pictures: int, rows: int) -> Iterator[list[Linear]]:
    """Runs of operations whose targets fit into memory together."""
    window: list[Linear] = []
    room = WINDOW_BYTES
    for item in todo:
        size = 4 * pictures * _count(item, rows, pictures) * item.outputs.size
        if window and (size > room or len(window) == WINDOW):
            yield window
            window, room = [], WINDOW_BYTES
        window.append(item)
        room -= size
    if window:
        yield window
