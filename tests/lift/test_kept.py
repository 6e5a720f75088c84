"""What Keras cannot say on a batch of pictures stays in the graph; the model goes on before and after."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from relens.graph import Graph
from relens.graph.edit import compacted
from relens.graph.flatbuffer import edited
from relens.lift import Lifted, lift, listed, lower

KEPT = {
    "loop": "1 x WHILE (no rule for it)",
    "memory": "1 x WHILE (no rule for it)",
    "looked_up": "1 x GATHER (its indices differ from picture to picture)",
    "mixed": "2 x TRANSPOSE (it moves the batch)",
    "flattened": "1 x SOFTMAX (it works along the batch)",
    "spectrum": "1 x RFFT2D (no rule for it); 1 x COMPLEX_ABS (no rule for it)",
    "odd_size": "1 x TRANSPOSE_CONV (its output is (17, 13) where strides and padding give (18, 14))",
    "divided": "1 x DIV (it gives float32 where the graph has int32)",
    "joined": "1 x CONCATENATION (it works along the batch); 1 x SUM (it works along the batch); "
    "1 x STRIDED_SLICE (it picks from the batch)",
    "picked": "2 x STRIDED_SLICE (it picks from the batch)",
    "total": "1 x SUM (it works along the batch); 1 x ADD (it reads `Sum`, which has no place in a batch of pictures); "
    "1 x DIV (it reads `add_2`, which has no place in a batch of pictures)",
}
TOLERANCE = 1e-5

Compare = Callable[..., dict[str, float]]
Noise = Callable[..., dict[str, np.ndarray]]


@pytest.mark.parametrize("kind", KEPT)
def test_the_listing_names_operation_and_reason(kept_graphs: Path, kind: str) -> None:
    lifted = lift(Graph.read(kept_graphs / f"{kind}.tflite"))
    assert KEPT[kind] == listed(lifted.kept)
    assert all(f"  kept  {kept.op.name} (op {kept.op.index}): {kept.reason}" in repr(lifted) for kept in lifted.kept)


@pytest.mark.parametrize("kind", [*KEPT, "suppression"])
def test_the_parts_before_and_after_stay_in_the_model(
    kept_graphs: Path, apart: Compare, noise: Noise, shaken: Callable[[Lifted], None], kind: str
) -> None:
    graph = Graph.read(kept_graphs / f"{kind}.tflite")
    lifted = lift(graph)
    kept = {one.op.index for one in lifted.kept}
    weighted = {op.index for op in graph.ops if op.name in {"CONV_2D", "TRANSPOSE_CONV"} and op.index not in kept}
    assert weighted == set(lifted.blocks)
    assert {tensor.name for tensor in graph.outputs} <= set(lifted.model.output)
    found = apart(lifted, noise(graph))
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}
    shaken(lifted)
    lowered = lower(lifted)
    assert [op.name for op in graph.ops] == [op.name for op in lowered.ops]
    found = apart(lifted, noise(graph), lowered)
    assert {name: error for name, error in found.items() if error > TOLERANCE} == {}


@pytest.mark.parametrize("kind", [*KEPT, "suppression"])
def test_the_further_inputs_are_the_results_that_something_in_the_model_reads(kept_graphs: Path, kind: str) -> None:
    graph = Graph.read(kept_graphs / f"{kind}.tflite")
    lifted = lift(graph)
    kept = {one.op.index for one in lifted.kept}
    made = {index for op in kept for index in graph.ops[op].outputs}
    read = {index for op in graph.ops if op.index not in kept for index in op.inputs}
    assert {*(tensor.name for tensor in graph.inputs), *lifted.fed} == set(lifted.model.input)
    assert made & read == {tensor.index for tensor in lifted.fed.values()}


def test_a_result_that_is_only_an_output_is_no_input(kept_graphs: Path) -> None:
    graph = Graph.read(kept_graphs / "loop.tflite")
    loop = next(kept.op for kept in lift(graph).kept)

    def ending_there(model: object) -> None:
        model.subgraphs[0].outputs = [loop.outputs[1]]  # type: ignore[attr-defined]
        model.signatureDefs = []  # type: ignore[attr-defined]

    lifted = lift(compacted(edited(graph, ending_there)))
    assert [loop.name] == [kept.op.name for kept in lifted.kept]
    assert lifted.fed == {}
    assert {tensor.name for tensor in graph.inputs} == set(lifted.model.input)


def test_an_operation_that_no_runtime_here_knows_is_kept_too(kept_graphs: Path) -> None:
    graph = Graph.read(kept_graphs / "foreign.tflite")
    lifted = lift(graph)
    assert listed(lifted.kept) == (
        "1 x MatrixDeterminant (no rule for it); "
        "1 x MUL (it reads `MatrixDeterminant`, which has no place in a batch of pictures)"
    )
    variable = lifted.blocks[0].layer.bias
    variable.assign(variable + 1.0)
    lowered = lower(lifted)
    assert [(op.name, op.custom) for op in graph.ops] == [(op.name, op.custom) for op in lowered.ops]
    old, new = (g.constant(g.tensors[g.ops[0].inputs[2]]) for g in (graph, lowered))
    np.testing.assert_allclose(old + 1, new, rtol=1e-6)
