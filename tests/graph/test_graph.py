import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ai_edge_litert.interpreter import Interpreter

import relens.graph
from relens.errors import BadModel
from relens.graph import Graph

Read = Callable[[str], Graph]


def test_the_public_surface_is_exactly_this() -> None:
    expected = [
        "Cost",
        "Finding",
        "Graph",
        "Op",
        "OpCost",
        "Tensor",
        "cost",
        "findings",
        "float_tensors",
        "normalised",
        "with_metadata",
        "with_signature",
    ]
    assert expected == sorted(relens.graph.__all__)
    assert all(hasattr(relens.graph, name) for name in expected)


def test_reading_needs_neither_tensorflow_nor_keras_nor_a_runtime() -> None:
    heavy = "{'tensorflow', 'keras', 'ai_edge_litert.interpreter', 'litert_quantizer', 'cv2'}"
    code = f"import sys, relens.graph; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


@pytest.mark.parametrize("name", ["float", "half", "integer", "mixed", "unsigned", "matmul", "volume"])
def test_tensors_agree_with_the_interpreter(read: Read, name: str) -> None:
    graph = read(name)
    runtime = Interpreter(model_content=graph.content, num_threads=1)
    for details in runtime.get_tensor_details():
        if details["index"] < len(graph.tensors):  # the interpreter adds scratch tensors behind them
            tensor = graph.tensors[details["index"]]
            assert tensor.tensor_name == details["name"]
            assert tensor.shape == tuple(details["shape"])
            assert tensor.dtype == details["dtype"].__name__
            assert tensor.scales == tuple(details["quantization_parameters"]["scales"])
            assert tensor.zero_points == tuple(details["quantization_parameters"]["zero_points"])


def test_operations_agree_with_the_interpreter(read: Read) -> None:
    graph = read("integer")
    listed = Interpreter(model_content=graph.content, num_threads=1)._get_ops_details()
    assert [op["op_name"] for op in listed[: len(graph.ops)]] == [op.name for op in graph.ops]
    assert [tuple(op["outputs"]) for op in listed[: len(graph.ops)]] == [op.outputs for op in graph.ops]


def test_inputs_and_outputs_follow_the_signature(read: Read) -> None:
    graph = read("float")
    runtime = Interpreter(model_content=graph.content).get_signature_list()["serving_default"]
    assert runtime["inputs"] == [tensor.name for tensor in graph.inputs] == ["picture"]
    assert runtime["outputs"] == [tensor.name for tensor in graph.outputs] == ["box", "scores"]
    assert graph.inputs[0].tensor_name == "serving_default_picture:0"
    assert [tensor.shape for tensor in graph.outputs] == [(1, 4), (1, 300)]


def test_without_a_signature_the_file_order_and_names_stand(read: Read) -> None:
    graph = read("unsigned")
    assert [(tensor.name, tensor.tensor_name) for tensor in graph.inputs] == [("picture", "picture")]
    assert [tensor.name for tensor in graph.outputs] == ["Identity"]


def test_a_per_tensor_scale_has_a_property_and_a_per_channel_one_has_none(read: Read) -> None:
    graph = read("integer")
    picture = graph.inputs[0]
    assert (picture.scale, picture.zero_point) == (picture.scales[0], picture.zero_points[0])
    kernel = graph.tensors[graph.ops[0].inputs[1]]
    assert (len(kernel.scales), kernel.quantized_dimension) == (8, 0)
    assert (kernel.scale, kernel.zero_point) == (None, 0)
    assert (read("float").inputs[0].scale, read("float").inputs[0].quantized) == (None, False)


def test_options_are_the_schemas_own_tables(read: Read) -> None:
    convolution: Any = read("float").ops[0].options
    assert (
        type(convolution).__name__,
        convolution.strideW,
        convolution.strideH,
    ) == ("Conv2DOptionsT", 2, 2)


def test_an_open_batch_counts_as_one_and_is_told(read: Read) -> None:
    picture = read("half").inputs[0]
    assert (picture.shape, picture.open_dimensions) == ((1, 16, 16, 3), (0,))
    assert str(picture) == "picture (?, 16, 16, 3) float32"


def test_equal_bytes_are_equal_graphs(read: Read) -> None:
    graph = read("float")
    assert graph == Graph.from_bytes(graph.content)
    assert hash(graph) == hash(Graph.from_bytes(graph.content))
    assert graph != read("integer")
    assert (len(graph.content), 64) == (graph.size_bytes, len(graph.sha256))


def test_repr_shows_the_graph_in_a_few_lines(read: Read) -> None:
    lines = repr(read("float")).splitlines()
    assert len(lines) == 5
    assert "  in   picture (1, 16, 16, 3) float32" in lines
    assert "FULLY_CONNECTED 2" in lines[-1]


def test_what_is_written_is_read_again(read: Read, tmp_path: Path) -> None:
    graph, path = read("float"), tmp_path / "model.tflite"
    path.write_bytes(b"old")
    graph.write(path)
    assert graph == Graph.read(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        read("float").write(path)
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]


@pytest.mark.parametrize("content", [b"", b"TFL3", b"PK\3\4" * 50, b"\x89HDF\r\n\x1a\n" + bytes(99)])
def test_what_is_no_tflite_file_is_refused(content: bytes) -> None:
    with pytest.raises(BadModel) as refused:
        Graph.from_bytes(content, "holiday.png")
    assert refused.value.code == "RL-GRAPH-001"
    assert "holiday.png" in str(refused.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"nowhere\.tflite") as refused:
        Graph.read(tmp_path / "nowhere.tflite")
    assert refused.value.code == "RL-GRAPH-003"


def test_an_index_out_of_range_is_refused(sketch: Any) -> None:
    x, y = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4))
    sketch.op("ADD", (x, 7), (y,))
    with pytest.raises(BadModel, match="tensor index 7 of 2"):
        Graph.from_bytes(sketch.pack([x], [y]))


@pytest.mark.parametrize("shape", [(-2, 4), (2**30, 2**30), (1,) * 40])
def test_an_impossible_shape_is_refused(sketch: Any, shape: tuple[int, ...]) -> None:
    x = sketch.tensor("x", shape)
    with pytest.raises(BadModel, match="impossible shape"):
        Graph.from_bytes(sketch.pack([x], [x]))


def test_an_optional_input_left_out_is_minus_one(sketch: Any) -> None:
    x, y = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4))
    sketch.op("FULLY_CONNECTED", (x, x, -1), (y,))
    assert (x, x, -1) == Graph.from_bytes(sketch.pack([x], [y])).ops[0].inputs
