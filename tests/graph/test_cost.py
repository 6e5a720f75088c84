import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.graph import Graph, cost

Read = Callable[[str], Graph]

# The network of reference_models.py, by hand: output elements times what each one sums up.
CONV = 8 * 8 * 8 * (3 * 3 * 3)
DEPTHWISE = 8 * 8 * 8 * (3 * 3)
TRANSPOSE = 8 * 8 * 8 * (2 * 2 * 4)  # by input element: each is spread over the window
DENSE = {"scores": 1024 * 300, "box": 1024 * 4}


@pytest.mark.parametrize("name", ["float", "half", "integer", "mixed"])
def test_multiply_accumulates_are_those_counted_by_hand(read: Read, name: str) -> None:
    counted = cost(read(name))
    by_name = {op.name: op.macs for op in counted.ops if op.name != "FULLY_CONNECTED"}
    assert (
        by_name["CONV_2D"],
        by_name["DEPTHWISE_CONV_2D"],
        by_name["TRANSPOSE_CONV"],
    ) == (CONV, DEPTHWISE, TRANSPOSE)
    assert CONV + DEPTHWISE + TRANSPOSE + sum(DENSE.values()) == counted.macs


def test_a_transposed_matrix_product_and_a_volume_are_counted(read: Read) -> None:
    assert cost(read("matmul")).macs == 2 * 3 * 7 * 5
    assert cost(read("volume")).macs == 3 * 3 * 3 * 3 * (2 * 2 * 2 * 2)


@pytest.mark.parametrize("name", ["float", "half", "integer", "mixed"])
def test_parameters_are_those_keras_counts(read: Read, models: Path, name: str) -> None:
    expected = json.loads((models / "keras.json").read_text())["parameters"]
    assert expected == cost(read(name)).parameters
    assert expected == sum(op.parameters for op in cost(read(name)).ops)


def test_weights_shared_by_two_operations_count_once(sketch: Any) -> None:
    x, y, z = (sketch.tensor(name, (1, 4)) for name in "xyz")
    weights = sketch.tensor("w", (4, 4), data=np.ones((4, 4), np.float32))
    sketch.op("FULLY_CONNECTED", (x, weights, -1), (y,))
    sketch.op("FULLY_CONNECTED", (y, weights, -1), (z,))
    counted = cost(Graph.from_bytes(sketch.pack([x], [z])))
    assert (counted.parameters, counted.weight_bytes, counted.macs) == (16, 64, 32)
    assert [op.parameters for op in counted.ops] == [16, 0]


def test_shapes_and_lone_factors_are_no_parameters(sketch: Any) -> None:
    x, y, z = sketch.tensor("x", (1, 4)), sketch.tensor("y", (1, 4)), sketch.tensor("z", (4,))
    factor = sketch.tensor("factor", (), data=np.float32(2.0).reshape(()))
    shape = sketch.tensor("shape", (1,), "INT32", np.array([4], np.int32))
    sketch.op("MUL", (x, factor), (y,))
    sketch.op("RESHAPE", (y, shape), (z,))
    counted = cost(Graph.from_bytes(sketch.pack([x], [z])))
    assert (counted.parameters, counted.weight_bytes) == (0, 8)


def test_weight_bytes_follow_the_stored_type(read: Read) -> None:
    single, half, integer = (cost(read(name)) for name in ("float", "half", "integer"))
    assert single.parameters * 4 <= single.weight_bytes < single.parameters * 4 + 64
    assert half.parameters * 2 <= half.weight_bytes < half.parameters * 2 + 64
    assert integer.weight_bytes < single.weight_bytes * 0.26
    # Kernels work on float32: float16 weights double when they are packed.
    assert half.packed_weight_bytes > half.weight_bytes * 1.9
    assert single.packed_weight_bytes == single.weight_bytes


def test_counts_name_the_most_frequent_operation_first(read: Read) -> None:
    counts = cost(read("float")).counts
    assert next(iter(counts)) == "FULLY_CONNECTED"
    assert sum(counts.values()) == 7


def test_every_operation_is_named_by_its_output(read: Read) -> None:
    graph = read("float")
    assert [graph.tensors[op.outputs[0]].tensor_name for op in graph.ops] == [op.output for op in cost(graph).ops]
