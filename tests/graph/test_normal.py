from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from relens.graph import Graph, cost, normalised

Read = Callable[[str], Graph]
Infer = Callable[..., dict[str, np.ndarray]]
EVERY = ["float", "half", "integer", "mixed", "unsigned", "matmul", "volume"]


def tree(graph: Graph) -> Any:
    return schema.ModelT.InitFromPackedBuf(graph.content, 0)


@pytest.mark.parametrize("name", EVERY)
def test_doing_it_twice_changes_nothing_more(read: Read, name: str) -> None:
    once = normalised(read(name))
    assert once.content == normalised(read(name)).content
    assert once.content == normalised(once).content


@pytest.mark.parametrize("name", ["float", "integer", "mixed"])
def test_the_runtime_computes_the_same(read: Read, infer: Infer, models: Path, name: str) -> None:
    graph = read(name)
    picture = np.load(models / "keras.npz")["picture"]
    if graph.inputs[0].dtype == "int8":
        picture = np.round(picture / graph.inputs[0].scale + graph.inputs[0].zero_point).astype(np.int8)
    before, after = infer(graph, picture=picture), infer(normalised(graph), picture=picture)
    assert sorted(after) == ["box", "scores"]
    for output in before:
        np.testing.assert_array_equal(before[output], after[output])


@pytest.mark.parametrize("name", EVERY)
def test_tensors_operations_and_cost_stay(read: Read, name: str) -> None:
    before, after = read(name), normalised(read(name))
    assert [(t.name, t.shape, t.dtype, t.scales, t.constant) for t in before.tensors] == [
        (t.name, t.shape, t.dtype, t.scales, t.constant) for t in after.tensors
    ]
    assert before.ops == after.ops
    assert cost(before) == cost(after)
    for tensor in before.tensors:
        if tensor.constant:
            np.testing.assert_array_equal(before.constant(tensor), after.constant(tensor))


def test_constants_move_inside_the_flatbuffer(read: Read) -> None:
    before, after = tree(read("integer")), tree(normalised(read("integer")))
    assert any(buffer.offset > 1 for buffer in before.buffers), "the quantizer no longer stores any outside"
    assert not any(buffer.offset or buffer.size for buffer in after.buffers)


def test_constants_are_aligned_as_the_schema_asks(read: Read) -> None:
    content = normalised(read("float")).content
    packed = schema.Model.GetRootAs(content)
    buffers = [packed.Buffers(index) for index in range(packed.BuffersLength())]
    starts = [buffer._tab.Vector(buffer._tab.Offset(4)) for buffer in buffers if buffer.DataLength()]
    assert starts
    assert {0} == {start % 16 for start in starts}


def test_old_readers_find_the_operations(read: Read) -> None:
    before, after = tree(read("mixed")), tree(normalised(read("mixed")))
    assert any(code.deprecatedBuiltinCode != min(code.builtinCode, 127) for code in before.operatorCodes)
    assert all(code.deprecatedBuiltinCode == min(code.builtinCode, 127) for code in after.operatorCodes)
    kinds = {after.operatorCodes[op.opcodeIndex].builtinCode: op for op in after.subgraphs[0].operators}
    for code in (schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE):
        assert kinds[code].builtinOptions is not None


def test_a_file_that_has_only_the_old_operator_code_is_read(sketch: Any) -> None:
    x, y = sketch.tensor("x", (1,)), sketch.tensor("y", (1,))
    sketch.op("RELU", (x,), (y,))
    sketch.codes[0].builtinCode = 0
    graph = Graph.from_bytes(sketch.pack([x], [y]))
    assert graph.ops[0].name == "RELU"
    assert tree(normalised(graph)).operatorCodes[0].builtinCode == schema.BuiltinOperator.RELU


def test_only_what_the_runtime_needs_of_the_metadata_stays(read: Read) -> None:
    assert {b"min_runtime_version", b"CONVERSION_METADATA"} == {e.name for e in tree(read("float")).metadata}
    kept = tree(normalised(read("float")))
    assert [entry.name for entry in kept.metadata] == [b"min_runtime_version"]
    assert bytes(kept.buffers[kept.metadata[0].buffer].data).rstrip(b"\0").count(b".") == 2


def test_openvino_reads_what_the_quantizer_made(read: Read, tmp_path: Path) -> None:
    openvino = pytest.importorskip("openvino")
    for name in ("integer", "mixed"):
        path = tmp_path / f"{name}.tflite"
        normalised(read(name)).write(path)
        model = openvino.Core().read_model(path)
        assert [tuple(port.shape) for port in model.inputs] == [(1, 16, 16, 3)]
        assert {(1, 4), (1, 300)} == {tuple(port.shape) for port in model.outputs}
