"""A cut graph answers exactly as the original does when nobody listens to the channels that are gone."""

from pathlib import Path

import numpy as np
import pytest

from relens.compress.activations import answers
from relens.compress.channels.cut import cut, silenced
from relens.compress.channels.groups import Groups, Kept, groups_of
from relens.graph import Graph, cost
from relens.graph.edit import compacted

NETWORKS = ("residual", "joined", "dense_out")


def _some(groups: Groups, seed: int = 0) -> Kept:
    """Every group that can be cut at half of its widths, random channels."""
    random = np.random.default_rng(seed)
    kept = groups.everything
    for group in groups.free:
        kept[random.permutation(group.units)[group.widths[len(group.widths) // 2] :]] = False
    return kept


def _agree(graph: Graph, scale: float = 1.0) -> float:
    groups = groups_of(compacted(graph))
    kept = _some(groups)
    smaller = cut(groups, kept)
    random = np.random.default_rng(1)
    inputs = [random.uniform(-1, 1, graph.inputs[0].shape).astype(np.float32) * scale for _ in range(2)]
    assert cost(smaller).macs < 0.8 * cost(graph).macs, f"{cost(smaller).macs} of {cost(graph).macs}"
    pairs = zip(answers(smaller, inputs), answers(silenced(groups, kept), inputs), answers(graph, inputs), strict=True)
    for mine, expected, whole in pairs:
        assert np.abs(whole - expected).max() > 1e-3 * np.abs(expected).max(), "nothing was silenced"
        worst = max(float(np.abs(mine - expected).max() / np.abs(expected).max()) for _ in [0])
        assert worst <= 1e-5, f"relative difference {worst:.2g}"
    return worst


@pytest.mark.parametrize("name", NETWORKS)
def test_a_cut_network_answers_as_the_silenced_one(networks: dict[str, Graph], name: str) -> None:
    _agree(networks[name])


def test_cut_flowers_answer_as_the_silenced_ones(flowers_graph: Path) -> None:
    _agree(Graph.read(flowers_graph))


def test_a_cut_yolox_answers_as_the_silenced_one(yolox_graph: Path) -> None:
    _agree(Graph.read(yolox_graph), scale=127.0)


def test_a_cut_graph_can_be_cut_again(networks: dict[str, Graph]) -> None:
    groups = groups_of(compacted(networks["residual"]))
    once = cut(groups, _some(groups))
    again = groups_of(once)
    kept = again.everything
    for group in again.free:
        kept[group.units[group.widths[-1] :]] = False
    assert cost(cut(again, kept)).macs < cost(once).macs


def test_what_a_residual_sum_ties_is_one_group(networks: dict[str, Graph]) -> None:
    groups = groups_of(networks["residual"])
    graph = networks["residual"]
    add = next(op for op in graph.ops if op.name == "ADD")
    first, second, out = (groups.layouts[tensor].ids for tensor in (*add.inputs, *add.outputs))
    assert first.tolist() == second.tolist() == out.tolist()


def test_squeeze_excite_goes_with_what_it_weighs(networks: dict[str, Graph]) -> None:
    graph = networks["residual"]
    groups = groups_of(graph)
    multiply = next(op for op in graph.ops if op.name == "MUL")
    first, second = (groups.layouts[tensor].ids for tensor in multiply.inputs)
    assert first.tolist() == second.tolist()


def test_groups_of_a_grouped_convolution_keep_the_same_places(networks: dict[str, Graph]) -> None:
    graph = networks["joined"]
    groups = groups_of(graph)
    op = next(o for o in graph.ops if o.name == "CONV_2D" and _is_grouped(graph, o.index))
    made = groups.layouts[op.outputs[0]].ids
    assert made[:16].tolist() == made[16:].tolist()
    assert groups.groups[groups.owner[made[0]]].step == 4  # two channels a unit


def test_inputs_outputs_and_softmax_are_locked_and_say_why(networks: dict[str, Graph]) -> None:
    groups = groups_of(networks["residual"]).groups
    assert groups[0].locked == "is an input of the graph"
    assert "SOFTMAX" in groups[-1].locked
    assert groups_of(networks["locked"]).free == ()


def test_a_group_prints_what_goes_in_ten_lines(networks: dict[str, Graph]) -> None:
    for group in groups_of(networks["joined"]).groups:
        text = repr(group)
        assert len(text.splitlines()) <= 10
        assert "MACs" in text


def test_widths_are_full_or_multiples_of_eight(networks: dict[str, Graph]) -> None:
    for group in groups_of(networks["dense_out"]).free:
        assert all(width % group.step == 0 for width in group.widths[1:])
        assert group.widths[0] == group.size


def _is_grouped(graph: Graph, op: int) -> bool:
    data, weights = (graph.tensors[tensor].shape for tensor in graph.ops[op].inputs[:2])
    return data[3] != weights[3]
