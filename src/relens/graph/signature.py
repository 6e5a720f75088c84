"""Names for inputs and outputs, in the file itself."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from relens.errors import BadModel
from relens.graph.flatbuffer import edited
from relens.graph.graph import Graph
from relens.graph.tensor import Tensor

SIGNATURE_KEY = "serving_default"


def with_signature(
    graph: Graph, input_names: Sequence[str] | None = None, output_names: Sequence[str] | None = None
) -> Graph:
    """The graph with a signature over its inputs and outputs, in their present order.

    Names given are used as they are. Otherwise an existing signature keeps its names, and a graph
    without one gets its tensors' names, cleaned: `serving_default_image:0` becomes `image`.

    Raises:
        BadModel: RL-GRAPH-005, too many, too few, empty or repeated names.
    """
    signed = has_signature(graph)
    if signed and input_names is None and output_names is None:
        return graph
    inputs = _names("input", graph.inputs, input_names, keep=signed)
    outputs = _names("output", graph.outputs, output_names, keep=signed)

    def sign(model: Any) -> None:
        others = [item for item in model.signatureDefs or [] if item.subgraphIndex != 0]
        model.signatureDefs = [_signature_table(graph, inputs, outputs), *others]

    return edited(graph, sign)


def has_signature(graph: Graph) -> bool:
    """Whether the file names the main subgraph's inputs and outputs."""
    model = schema.Model.GetRootAs(graph.content)
    return any(model.SignatureDefs(i).SubgraphIndex() == 0 for i in range(model.SignatureDefsLength()))


def clean_name(tensor_name: str) -> str:
    """What is left of a tensor's name without scope, port, fusion and serving prefix."""
    name = tensor_name.partition(";")[0]
    name = re.sub(r":\d+$", "", name).removeprefix("serving_default_")
    return name.rstrip("/").rpartition("/")[2]


def _names(kind: str, tensors: tuple[Tensor, ...], given: Sequence[str] | None, *, keep: bool) -> list[str]:
    if given is None and keep:
        return [tensor.name for tensor in tensors]
    if given is None:
        return _unique([clean_name(tensor.tensor_name) or kind for tensor in tensors])
    if len(given) != len(tensors) or len(set(given)) != len(given) or "" in given:
        raise BadModel(
            "RL-GRAPH-005",
            f"the graph has {len(tensors)} {kind}s ({', '.join(tensor.tensor_name for tensor in tensors)}) "
            f"and cannot take the names {list(given)}",
            hint=f"give one different name for each {kind}; relens inspect MODEL lists them",
        )
    return list(given)


def _unique(names: list[str]) -> list[str]:
    unique: list[str] = []
    for name in names:
        candidates = (f"{name}_{number}" if number else name for number in itertools.count())
        unique.append(next(candidate for candidate in candidates if candidate not in unique))
    return unique


def _signature_table(graph: Graph, inputs: list[str], outputs: list[str]) -> Any:
    table = schema.SignatureDefT()
    table.signatureKey = SIGNATURE_KEY
    table.subgraphIndex = 0
    table.inputs = [_tensor_map(*pair) for pair in zip(inputs, graph.inputs, strict=True)]
    table.outputs = [_tensor_map(*pair) for pair in zip(outputs, graph.outputs, strict=True)]
    return table


def _tensor_map(name: str, tensor: Tensor) -> Any:
    table = schema.TensorMapT()
    table.name = name
    table.tensorIndex = tensor.index
    return table
