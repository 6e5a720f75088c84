import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from relens.errors import BadModel
from relens.graph import Graph, Op
from relens.graph.edit import compacted, inner_names, rewired, with_inferred_shapes, with_operands, with_outputs
from relens.graph.flatbuffer import edited

Read = Callable[[str], Graph]
Infer = Callable[..., dict[str, np.ndarray]]
PICTURE = np.random.default_rng(3).uniform(0, 1, (1, 16, 16, 3)).astype(np.float32)


def named(graph: Graph, name: str) -> Op:
    return next(op for op in graph.ops if op.name == name)


def operand(graph: Graph, op: Op, position: int) -> np.ndarray:
    return graph.constant(graph.tensors[op.inputs[position]])


@pytest.fixture(scope="session")
def double(read: Read) -> Graph:
    """A file with two signatures, each on a subgraph of its own; the second subgraph has more tensors in front."""

    def change(model: Any) -> None:
        second = copy.deepcopy(model.subgraphs[0])
        spare = copy.deepcopy(second.tensors[second.inputs[0]])
        second.tensors = [spare, spare, *second.tensors]
        second.inputs, second.outputs = ([int(index) + 2 for index in kept] for kept in (second.inputs, second.outputs))
        for op in second.operators:
            op.inputs = [int(index) + 2 if index >= 0 else -1 for index in op.inputs]
            op.outputs = [int(index) + 2 for index in op.outputs]
        signature = copy.deepcopy(model.signatureDefs[0])
        signature.signatureKey, signature.subgraphIndex = b"second", 1
        for entry in (*signature.inputs, *signature.outputs):
            entry.tensorIndex += 2
        model.subgraphs.append(second)
        model.signatureDefs.append(signature)

    return edited(read("float"), change)


def answers(graph: Graph, key: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = Interpreter(model_content=graph.content).get_signature_runner(key)(picture=PICTURE)
    return {name: np.array(value) for name, value in found.items()}


def test_narrower_constants_narrow_what_follows(read: Read, infer: Infer) -> None:
    graph = read("float")
    conv, depthwise, transposed = (named(graph, n) for n in ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"))
    keep = [0, 2, 3, 5, 7]
    narrow = with_operands(
        graph,
        {
            (conv.index, 1): operand(graph, conv, 1)[keep],
            (conv.index, 2): operand(graph, conv, 2)[keep],
            (depthwise.index, 1): operand(graph, depthwise, 1)[..., keep],
            (depthwise.index, 2): operand(graph, depthwise, 2)[keep],
            (transposed.index, 1): operand(graph, transposed, 1)[..., keep],
        },
    )
    assert [op.name for op in graph.ops] == [op.name for op in narrow.ops]
    assert narrow.tensors[named(narrow, "CONV_2D").outputs[0]].shape == (1, 8, 8, 5)
    assert narrow.tensors[named(narrow, "DEPTHWISE_CONV_2D").outputs[0]].shape == (1, 8, 8, 5)
    assert narrow.size_bytes < graph.size_bytes
    cleared = operand(graph, depthwise, 1).copy()
    bias, gone = operand(graph, depthwise, 2).copy(), [index for index in range(8) if index not in keep]
    cleared[..., gone], bias[gone] = 0, 0
    same = with_operands(graph, {(depthwise.index, 1): cleared, (depthwise.index, 2): bias})
    for name, expected in infer(same, picture=PICTURE).items():
        np.testing.assert_allclose(expected, infer(narrow, picture=PICTURE)[name], atol=1e-6)


def test_a_whole_number_operand_moves_shapes(read: Read) -> None:
    graph = read("float")
    reshape = named(graph, "RESHAPE")
    moved = with_operands(graph, {(reshape.index, 1): np.array([1, -1], np.int32)})
    assert moved.tensors[named(moved, "RESHAPE").outputs[0]].shape == (1, 1024)
    with pytest.raises(BadModel, match="RL-GRAPH-010"):
        with_operands(graph, {(reshape.index, 1): np.array([1, 7], np.int32)})


def test_shapes_that_do_not_fit_are_refused(read: Read) -> None:
    graph = read("float")
    conv = named(graph, "CONV_2D")
    with pytest.raises(BadModel, match="RL-GRAPH-010"):
        with_operands(graph, {(conv.index, 1): operand(graph, conv, 1)[:5]})


def test_operations_that_shared_a_constant_part_ways_and_equal_ones_share_bytes(read: Read, infer: Infer) -> None:
    graph = read("float")
    dense = [op for op in graph.ops if op.name == "FULLY_CONNECTED"]
    same = {(op.index, 2): np.full(operand(graph, op, 2).shape, 0.5, np.float32) for op in dense}
    filled = with_operands(graph, same)
    twice = with_operands(filled, {(named(graph, "CONV_2D").index, 2): operand(graph, named(graph, "CONV_2D"), 2) * 2})
    assert len(filled.tensors) == len(twice.tensors) == len(graph.tensors)
    conv = named(graph, "CONV_2D")
    ones = np.ones((8,), np.float32)
    both = with_operands(graph, {(conv.index, 2): ones, (named(graph, "DEPTHWISE_CONV_2D").index, 2): ones})
    first, second = (both.tensors[named(both, name).inputs[2]] for name in ("CONV_2D", "DEPTHWISE_CONV_2D"))
    assert first.index != second.index
    assert first.buffer == second.buffer
    again = with_operands(both, {(conv.index, 2): ones * 2})
    np.testing.assert_array_equal(ones, operand(again, named(again, "DEPTHWISE_CONV_2D"), 2))
    np.testing.assert_array_equal(ones * 2, operand(again, named(again, "CONV_2D"), 2))
    assert set(infer(again, picture=PICTURE)) == {"box", "scores"}


def test_an_operation_can_be_taken_out(read: Read, infer: Infer) -> None:
    graph = read("float")
    depthwise = named(graph, "DEPTHWISE_CONV_2D")
    short = rewired(graph, {depthwise.outputs[0]: depthwise.inputs[0]})
    assert [op.name for op in graph.ops if op.name != "DEPTHWISE_CONV_2D"] == [op.name for op in short.ops]
    neutral = np.zeros_like(operand(graph, depthwise, 1))
    neutral[:, 1, 1] = 1
    same = with_operands(
        graph, {(depthwise.index, 1): neutral, (depthwise.index, 2): operand(graph, depthwise, 2) * np.float32(0)}
    )
    for name, expected in infer(same, picture=PICTURE).items():
        np.testing.assert_allclose(expected, infer(short, picture=PICTURE)[name], atol=1e-6)


def test_replacements_lead_on_to_others_and_never_in_a_circle(read: Read) -> None:
    graph = read("float")
    conv, depthwise = named(graph, "CONV_2D"), named(graph, "DEPTHWISE_CONV_2D")
    picture, first, second = conv.inputs[0], conv.outputs[0], depthwise.outputs[0]
    swapped = rewired(graph, {first: first})
    assert [op.name for op in graph.ops] == [op.name for op in swapped.ops]
    with pytest.raises(BadModel, match="RL-GRAPH-010"):  # 3 channels where 8 are read
        rewired(graph, {second: first, first: picture})


def test_an_output_cannot_be_replaced(read: Read) -> None:
    graph = read("float")
    with pytest.raises(BadModel, match=r"RL-GRAPH-010.*output `box` cannot be replaced"):
        rewired(graph, {graph.outputs[0].index: graph.inputs[0].index})


def test_inner_tensors_become_outputs_under_their_names(read: Read, infer: Infer) -> None:
    graph = read("float")
    inside = [named(graph, "CONV_2D").outputs[0], named(graph, "RESHAPE").outputs[0]]
    names = inner_names(graph)
    once = with_outputs(graph, [inside[0], graph.outputs[0].index, inside[0]])
    twice = with_outputs(once, inside)
    assert [tensor.name for tensor in twice.outputs] == ["box", "scores", *(names[index] for index in inside)]
    assert twice.content == with_outputs(twice, inside).content
    found = infer(twice, picture=PICTURE)
    assert {name: value.shape for name, value in found.items()} == {t.name: t.shape for t in twice.outputs}
    for name, expected in infer(graph, picture=PICTURE).items():
        np.testing.assert_allclose(expected, found[name], atol=1e-6)


def test_names_inside_are_unique_and_never_empty(read: Read, infer: Infer) -> None:
    graph = read("float")

    def rename(model: Any) -> None:
        for index, tensor in enumerate(model.subgraphs[0].tensors):
            tensor.name = ("", "box", "same")[index % 3]

    vague = edited(graph, rename)
    names = inner_names(vague)
    assert len(set(names)) == len(names) == len(vague.tensors)
    assert "" not in names
    computed = [op.outputs[0] for op in vague.ops]
    found = infer(with_outputs(vague, computed), picture=PICTURE)
    assert {names[index] for index in computed} <= set(found)


def test_compacting_drops_only_what_no_output_needs(read: Read) -> None:
    graph = read("float")
    assert compacted(graph) is graph

    def only_box(model: Any) -> None:
        box = graph.outputs[0].index
        model.subgraphs[0].outputs = [box]
        model.signatureDefs[0].outputs = [e for e in model.signatureDefs[0].outputs if e.tensorIndex == box]

    small = compacted(edited(graph, only_box))
    assert [tensor.name for tensor in small.outputs] == ["box"]
    assert "SOFTMAX" not in {op.name for op in small.ops}
    assert [tensor.name for tensor in small.inputs] == ["picture"]
    used = {index for op in small.ops for index in (*op.inputs, *op.outputs)} | {small.inputs[0].index}
    assert used - {-1} == set(range(len(small.tensors)))


def test_operations_without_a_result_stay(sketch: Any) -> None:
    data, kept, unused = (sketch.tensor(name, (1, 4)) for name in ("data", "kept", "unused"))
    handle = sketch.tensor("handle", (), "RESOURCE")
    sketch.op("VAR_HANDLE", [], [handle])
    sketch.op("ASSIGN_VARIABLE", [handle, data], [])
    sketch.op("ABS", [data], [unused])
    sketch.op("NEG", [data], [kept])
    small = compacted(Graph.from_bytes(sketch.pack([data], [kept])))
    assert [op.name for op in small.ops] == ["VAR_HANDLE", "ASSIGN_VARIABLE", "NEG"]


def test_other_signatures_and_subgraphs_stay_as_they_are(double: Graph) -> None:
    before = answers(double, "second")
    depthwise = named(double, "DEPTHWISE_CONV_2D")
    changed = [
        with_outputs(double, [depthwise.outputs[0]]),
        rewired(double, {depthwise.outputs[0]: depthwise.inputs[0]}),
        with_operands(double, {(depthwise.index, 2): operand(double, depthwise, 2) * 3}),
        with_inferred_shapes(double),
    ]
    for graph in changed:
        after = answers(graph, "second")
        assert set(before) == set(after)
        assert all(np.array_equal(before[name], after[name]) for name in before)
    assert inner_names(double)[depthwise.outputs[0]] in answers(changed[0], "serving_default")
    assert not np.allclose(before["box"], answers(changed[2], "serving_default")["box"])


def test_inferred_shapes_are_the_shapes_there_were(double: Graph) -> None:
    def forget(model: Any) -> None:
        for op in model.subgraphs[0].operators:
            for index in op.outputs:
                table = model.subgraphs[0].tensors[index]
                table.shape = [1] * len(table.shape)

    found = with_inferred_shapes(edited(double, forget))
    assert [tensor.shape for tensor in double.tensors] == [tensor.shape for tensor in found.tensors]
