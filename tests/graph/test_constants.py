from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from relens.errors import BadModel
from relens.graph import Graph

Read = Callable[[str], Graph]


@pytest.mark.parametrize("name", ["float", "half", "integer", "mixed", "unsigned", "volume"])
def test_constants_agree_with_the_interpreter(read: Read, name: str) -> None:
    graph = read(name)
    runtime = Interpreter(model_content=graph.content, num_threads=1)
    runtime.allocate_tensors()
    constants = [tensor for tensor in graph.tensors if tensor.constant]
    assert constants
    for tensor in constants:
        ours, theirs = graph.constant(tensor), runtime.get_tensor(tensor.index)
        assert (theirs.dtype, theirs.shape) == (ours.dtype, ours.shape)
        np.testing.assert_array_equal(theirs, ours)


def test_a_convolutions_kernel_is_the_one_keras_had(read: Read, models: Path) -> None:
    graph = read("float")
    kernel = graph.constant(graph.tensors[graph.ops[0].inputs[1]])  # (out, h, w, in); Keras has (h, w, in, out)
    np.testing.assert_array_equal(np.load(models / "keras.npz")["kernel"].transpose(3, 0, 1, 2), kernel)


def test_four_bit_integers_are_unpacked_low_half_first(sketch: Any) -> None:
    index = sketch.tensor("w", (5,), "INT4", np.array([0x21, 0x8F, 0x07], np.uint8))
    graph = Graph.from_bytes(sketch.pack([], [index]))
    assert graph.tensors[index].size_bytes == 3
    assert graph.constant(graph.tensors[index]).tolist() == [1, 2, -1, -8, 7]


def test_an_empty_constant_is_a_constant(sketch: Any) -> None:
    x, y, shape = sketch.tensor("x", (1,)), sketch.tensor("y", ()), sketch.tensor("shape", (0,), "INT32")
    sketch.op("RESHAPE", (x, shape), (y,))
    graph = Graph.from_bytes(sketch.pack([x], [y]))
    assert [tensor.constant for tensor in graph.tensors] == [False, False, True]
    assert graph.constant(graph.tensors[shape]).shape == (0,)


def test_a_constant_cannot_be_changed_in_place(read: Read) -> None:
    graph = read("float")
    kernel = graph.constant(graph.tensors[graph.ops[0].inputs[1]])
    with pytest.raises(ValueError, match="read-only"):
        kernel[0] = 1


def test_what_is_computed_is_no_constant(read: Read) -> None:
    graph = read("float")
    with pytest.raises(BadModel, match="is not constant") as refused:
        graph.constant(graph.outputs[0])
    assert refused.value.code == "RL-GRAPH-004"


@pytest.mark.parametrize(("dtype", "stored"), [("FLOAT32", 12), ("BFLOAT16", 8), ("INT2", 1)])
def test_data_of_another_size_or_an_unknown_type_is_refused(sketch: Any, dtype: str, stored: int) -> None:
    index = sketch.tensor("w", (4,), dtype, np.ones(stored, np.uint8))
    graph = Graph.from_bytes(sketch.pack([], [index]))
    with pytest.raises(BadModel) as refused:
        graph.constant(graph.tensors[index])
    assert refused.value.code == "RL-GRAPH-004"
