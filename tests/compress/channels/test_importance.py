"""Importance and compensation against plain least squares in numpy."""

import numpy as np
import pytest

from relens.compress.activations import Array, Checkpoint, Inside, answers, prepared
from relens.compress.channels.cut import cut
from relens.compress.channels.groups import Groups, groups_of
from relens.compress.channels.importance import Reader, magnitude_order, order_of, readers_of, refitted
from relens.compress.channels.linear import linear
from relens.compress.channels.repair import repaired
from relens.graph import Graph
from relens.graph.edit import with_operands
from relens.spec import InputSpec
from relens.vision.frames import Frames


@pytest.fixture(scope="module", params=["residual", "joined", "dense_out"])
def groups(request: pytest.FixtureRequest, networks: dict[str, Graph]) -> Groups:
    return groups_of(networks[request.param])


@pytest.fixture(scope="module")
def inputs(networks: dict[str, Graph], pictures: Frames) -> list[Array]:
    return prepared(networks["residual"], pictures, InputSpec())


@pytest.fixture(scope="module")
def readers(groups: Groups, inputs: list[Array]) -> dict[int, Reader]:
    return readers_of(groups, inputs)


def test_every_linear_operation_is_rows_times_its_matrix(groups: Groups, inputs: list[Array]) -> None:
    graph = groups.graph
    seen = 0
    for op in graph.ops:
        item = linear(graph, op)
        if item is None or getattr(op.options, "fusedActivationFunction", 0) or op.name == "TRANSPOSE_CONV":
            continue
        data, out = Inside(graph, [item.data, op.outputs[0]])(inputs[0])
        every = np.arange(item.total_rows)
        mine = (item.rows(data, every) @ item.matrix).transpose(1, 0, 2).reshape(len(every), -1) + item.bias
        np.testing.assert_allclose(mine, out.reshape(mine.shape), rtol=1e-3, atol=1e-4 * np.abs(out).max())
        np.testing.assert_array_equal(item.stored(item.matrix), item.weights)
        seen += 1
    assert seen > 0


def test_the_first_to_go_is_the_one_that_plain_least_squares_would_spare(
    groups: Groups, readers: dict[int, Reader]
) -> None:
    group = next(g for g in groups.free if sum(np.isin(r.units, g.units).any() for r in readers.values()) == 1)
    reader = next(r for r in readers.values() if np.isin(r.units, group.units).any())
    losses = []
    for unit in group.units:
        stay = np.append(reader.units != unit, True)
        total = 0.0
        for gram, target in zip(reader.damped, reader.target, strict=True):
            solved = np.linalg.lstsq(gram[stay][:, stay], gram[stay] @ target, rcond=None)[0]
            change = target.copy()
            change[stay] -= solved
            total += float(np.einsum("fo,fg,go->", change, gram, change))
        losses.append(total / reader.power)
    order = order_of(group, {reader.linear.op: reader})
    first = int(np.flatnonzero(group.units == order.units[0])[0])
    assert losses[first] <= min(losses) * 1.05 + 1e-4, f"{losses[first]} against {min(losses)}"
    assert order.errors[1] == pytest.approx(losses[first], rel=0.1, abs=1e-4)
    assert np.all(np.diff(order.errors) >= 0)
    assert sorted(order.units.tolist()) == group.units.tolist()


def test_a_channel_that_nobody_hears_goes_first(groups: Groups, inputs: list[Array]) -> None:
    group = groups.free[0]
    deaf = int(group.units[3])
    changed = {}
    for member in group.members:
        if member.role == "reads":
            op = groups.graph.ops[member.op]
            weights = groups.graph.constant(groups.graph.tensors[op.inputs[member.operand]]).copy()
            np.moveaxis(weights, member.axis, 0)[member.channels == deaf] = 0
            changed[member.op, member.operand] = weights
    graph = with_operands(groups.graph, changed)
    again = groups_of(graph)
    order = order_of(again.free[0], readers_of(again, inputs))
    assert order.units[0] == deaf


def test_refitting_and_repair_each_bring_the_answers_nearer(
    groups: Groups, readers: dict[int, Reader], inputs: list[Array]
) -> None:
    kept, plain_kept = groups.everything, groups.everything
    weights = {}
    for group in groups.free:
        width = group.widths[len(group.widths) // 2]
        order_of(group, readers).keep(kept, width)
        magnitude_order(groups, group).keep(plain_kept, width)
    for op, reader in readers.items():
        weights |= refitted(reader, kept, kept[groups.layouts[groups.graph.ops[op].outputs[0]].ids])
    plain = cut(groups, kept)
    mended, report = repaired(groups, kept, plain, inputs, rows=256)
    wanted = answers(groups.graph, inputs)[0]

    def error(graph: Graph) -> float:
        return float(np.square(answers(graph, inputs)[0] - wanted).mean() / wanted.var())

    found = [error(graph) for graph in (cut(groups, plain_kept), cut(groups, kept, weights), mended)]
    assert found[1] < found[0], f"magnitude {found[0]:.4f}, refitted {found[1]:.4f}"
    assert found[2] < found[0], f"magnitude {found[0]:.4f}, repaired {found[2]:.4f}"
    assert all(item.after <= item.before for item in report)


def test_a_checkpoint_sees_what_a_whole_run_sees(groups: Groups, inputs: list[Array]) -> None:
    graph = groups.graph
    point = Checkpoint(inputs[:3])
    point.advance(graph, len(graph.ops) // 2)
    last = graph.ops[-1].outputs[0]
    for picture, (mine,) in zip(inputs, point.see(graph, [last]), strict=False):
        np.testing.assert_allclose(mine, Inside(graph, [last])(picture)[0], rtol=1e-4, atol=1e-6)
