from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from relens.graph import Graph, findings, float_tensors

Read = Callable[[str], Graph]


@pytest.mark.parametrize("name", ["float", "integer", "mixed", "unsigned", "matmul", "volume"])
def test_a_sound_graph_has_no_findings(read: Read, name: str) -> None:
    assert findings(read(name)) == ()


def test_an_open_batch_is_mentioned_and_runs(read: Read) -> None:
    (finding,) = findings(read("half"))
    assert (finding.code, finding.fatal) == ("RL-GRAPH-008", False)
    assert "picture (?, 16, 16, 3)" in finding.message


def test_an_open_picture_size_is_fatal(sketch: Any) -> None:
    x = sketch.tensor("x", (1, 1, 1, 3))
    sketch.tensors[x].shapeSignature = [-1, -1, -1, 3]
    (finding,) = findings(Graph.from_bytes(sketch.pack([x], [x])))
    assert (finding.code, finding.fatal) == ("RL-GRAPH-008", True)


def test_variables_mean_that_the_weights_were_lost(sketch: Any) -> None:
    x, y = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4))
    handle, weights = sketch.tensor("handle", (), "RESOURCE"), sketch.tensor("weights", (4, 4))
    sketch.op("VAR_HANDLE", (), (handle,))
    sketch.op("READ_VARIABLE", (handle,), (weights,))
    sketch.op("FULLY_CONNECTED", (x, weights, -1), (y,))
    (finding,) = findings(Graph.from_bytes(sketch.pack([x], [y])))
    assert (finding.code, finding.fatal) == ("RL-GRAPH-006", True)
    assert "VAR_HANDLE at op 0, READ_VARIABLE at op 1" in finding.message


def test_a_tensor_without_data_that_nothing_computes_is_a_lost_weight(sketch: Any) -> None:
    x, y, weights = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4)), sketch.tensor("weights", (4, 4))
    sketch.op("FULLY_CONNECTED", (x, weights, -1), (y,))
    (finding,) = findings(Graph.from_bytes(sketch.pack([x], [y])))
    assert (finding.code, finding.fatal) == ("RL-GRAPH-006", True)
    assert "(weights)" in finding.message


def test_a_variable_tensor_is_no_lost_weight(sketch: Any) -> None:
    x, y, state = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4)), sketch.tensor("state", (1, 4))
    sketch.tensors[state].isVariable = True
    sketch.op("ADD", (x, state), (y,))
    assert findings(Graph.from_bytes(sketch.pack([x], [y]))) == ()


@pytest.mark.parametrize(("code", "expected"), [("FlexCumprod", "TensorFlow itself"), ("MyOp", "custom operations")])
def test_foreign_operations_are_fatal(sketch: Any, code: str, expected: str) -> None:
    x, y = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4))
    sketch.op(code, (x,), (y,), custom=True)
    (finding,) = findings(Graph.from_bytes(sketch.pack([x], [y])))
    assert (finding.code, finding.fatal) == ("RL-GRAPH-007", True)
    assert expected in finding.message
    assert f"{code} at op 0" in finding.message


def test_a_custom_operation_the_runtime_brings_is_fine(sketch: Any) -> None:
    x, y = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4))
    sketch.op("TFLite_Detection_PostProcess", (x,), (y,), custom=True)
    sketch.ops[0].customOptions = np.arange(5, dtype=np.uint8)
    graph = Graph.from_bytes(sketch.pack([x], [y]))
    assert findings(graph) == ()
    assert (bytes(range(5)), True) == (graph.ops[0].options, graph.ops[0].custom)


def test_an_integer_graph_has_no_float_tensors(read: Read) -> None:
    assert float_tensors(read("integer")) == ()


def test_what_stays_in_floating_point_is_named(read: Read) -> None:
    names = float_tensors(read("mixed"))
    assert any(name.startswith("functional") and "conv" in name for name in names)
    assert len(float_tensors(read("float"))) > len(names) > 0


def test_a_float_tensor_nobody_refers_to_does_not_count(sketch: Any) -> None:
    x, y = sketch.tensor("x", (1, 4), "INT8"), sketch.tensor("y", (1, 4), "INT8")
    sketch.tensor("left over", (1, 4))
    sketch.op("ADD", (x, x), (y,))
    assert float_tensors(Graph.from_bytes(sketch.pack([x], [y]))) == ()
