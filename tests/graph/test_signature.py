from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from relens.errors import BadModel
from relens.graph import Graph, with_signature
from relens.graph.signature import clean_name, has_signature

Read = Callable[[str], Graph]
Infer = Callable[..., dict[str, np.ndarray]]


def test_an_unsigned_graph_gets_named_inputs_and_outputs(read: Read, infer: Infer, models: Path) -> None:
    graph = with_signature(read("unsigned"))
    assert not has_signature(read("unsigned"))
    assert has_signature(graph)
    keras = np.load(models / "keras.npz")
    np.testing.assert_allclose(infer(graph, picture=keras["picture"])["Identity"], keras["box"], atol=1e-5)


def test_a_signed_graph_stays_as_it_is(read: Read) -> None:
    graph = read("float")
    assert with_signature(graph) is graph


def test_names_given_win(read: Read, infer: Infer, models: Path) -> None:
    graph = with_signature(read("float"), ["image"], ["boxes", "classes"])
    assert [tensor.name for tensor in graph.inputs] == ["image"]
    assert [tensor.name for tensor in graph.outputs] == ["boxes", "classes"]
    keras = np.load(models / "keras.npz")
    outputs = infer(graph, image=keras["picture"])
    np.testing.assert_allclose(outputs["classes"], keras["scores"], atol=1e-5)
    np.testing.assert_allclose(outputs["boxes"], keras["box"], atol=1e-5)


def test_names_not_given_are_kept(read: Read) -> None:
    graph = with_signature(read("float"), output_names=["boxes", "classes"])
    assert [tensor.name for tensor in graph.inputs] == ["picture"]


@pytest.mark.parametrize("names", [[], ["a"], ["a", "a"], ["a", ""], ["a", "b", "c"]])
def test_names_that_do_not_fit_are_refused(read: Read, names: list[str]) -> None:
    with pytest.raises(BadModel, match=r"has 2 outputs \(StatefulPartitionedCall") as refused:
        with_signature(read("float"), output_names=names)
    assert refused.value.code == "RL-GRAPH-005"


@pytest.mark.parametrize(
    ("tensor_name", "expected"),
    [
        ("serving_default_image:0", "image"),
        ("StatefulPartitionedCall:12", "StatefulPartitionedCall"),
        ("model/head/scores/Softmax", "Softmax"),
        ("net/relu/Relu;net/conv/BiasAdd", "Relu"),
        ("scope/name/", "name"),
        ("", ""),
    ],
)
def test_tensor_names_are_cleaned(tensor_name: str, expected: str) -> None:
    assert expected == clean_name(tensor_name)


def test_cleaned_names_are_never_empty_or_alike(sketch: Any) -> None:
    inputs = [sketch.tensor(name, (1,)) for name in ("a/x:0", "b/x:0", "x_1", "", "")]
    y = sketch.tensor("y", (1,))
    sketch.op("ADD_N", inputs, (y,))
    graph = with_signature(Graph.from_bytes(sketch.pack(inputs, [y])))
    assert [tensor.name for tensor in graph.inputs] == ["x", "x_1", "x_1_1", "input", "input_1"]


def test_the_runtime_lists_the_same_signature(read: Read) -> None:
    graph = with_signature(read("matmul"))
    expected = {"serving_default": {"inputs": ["x", "y"], "outputs": ["Identity"]}}
    assert expected == Interpreter(model_content=graph.content).get_signature_list()
