"""Frozen graphs of TensorFlow 1, `.pb`. Runs in the child."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from relens.errors import BadModel
from relens.sources.request import Request
from relens.sources.servable import Servable
from relens.sources.tensorflow_graph import between

VARIABLES = {"Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable", "TemporaryVariable"}
PLACEHOLDER = "Placeholder"
MAX_OUTPUTS = 16


def load(request: Request) -> Servable:
    """Load a frozen graph between its inputs and outputs.

    Without names, outputs are what a placeholder reaches and nobody consumes, in floating point if there
    is any, else integers; inputs are the placeholders those outputs depend on.

    Raises:
        BadModel: RL-SOURCE-017, it has variables; -010, names it does not have, or no ends to be found;
            -007 and -008 as `between`.
    """
    path = request.path
    definition = tf.compat.v1.GraphDef.FromString(Path(path).read_bytes())
    _check_frozen(definition, path)
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    outputs = _named(graph, request.outputs, path) if request.outputs else _ends(graph, path)
    inputs = _named(graph, request.inputs, path) if request.inputs else _placeholders(outputs)
    if not inputs:
        raise _ambiguous(path, "depends on no placeholder", outputs)
    session = tf.compat.v1.Session(graph=graph)
    return between(session, definition, _labelled(inputs), _labelled(outputs), request.input_shapes)


def _check_frozen(definition: Any, path: str) -> None:
    variables = [node.name for node in definition.node if node.op in VARIABLES]
    if variables:
        raise BadModel(
            "RL-SOURCE-017",
            f"{path} is a graph without its weights: {len(variables)} variables, such as {variables[0]}",
            hint="freeze it with its checkpoint (tf.compat.v1.graph_util.convert_variables_to_constants), "
            "or give the SavedModel",
        )


def _named(graph: Any, names: Sequence[str], path: str) -> list[Any]:
    """The tensors of these names; a node's name alone means its first output."""
    operations = {operation.name: operation for operation in graph.get_operations()}
    tensors = {tensor.name: tensor for operation in operations.values() for tensor in operation.outputs}
    found = [tensors.get(name if ":" in name else f"{name}:0") for name in names]
    if None in found:
        missing = names[found.index(None)]
        near = [name for name in operations if missing.partition(":")[0].rpartition("/")[2] in name]
        raise BadModel(
            "RL-SOURCE-010",
            f"{path} has no tensor {missing}" + (f"; it has {', '.join(near[:5])}" if near else ""),
            hint="leave the names out, and relens looks for them",
        )
    return found


def _ends(graph: Any, path: str) -> list[Any]:
    """What a placeholder reaches and nobody consumes."""
    placeholders = [operation for operation in graph.get_operations() if operation.type == PLACEHOLDER]
    ends = [
        tensor
        for operation in _closure(placeholders, _consumers)
        if operation.type != PLACEHOLDER and not _consumers(operation)
        for tensor in operation.outputs
    ]
    floating = [tensor for tensor in ends if tensor.dtype.is_floating]
    chosen = floating or [tensor for tensor in ends if tensor.dtype.is_integer or tensor.dtype.is_bool]
    if not 0 < len(chosen) <= MAX_OUTPUTS:
        raise _ambiguous(path, f"has {len(chosen)} possible outputs", chosen)
    return chosen


def _placeholders(outputs: list[Any]) -> list[Any]:
    """The placeholders these outputs depend on."""
    operations = _closure([tensor.op for tensor in outputs], _producers)
    return [operation.outputs[0] for operation in operations if operation.type == PLACEHOLDER]


def _closure(start: list[Any], neighbours: Callable[[Any], Iterable[Any]]) -> list[Any]:
    """These operations and all that can be walked to from them, in the graph's order."""
    seen = {operation.name for operation in start}
    waiting = list(start)
    while waiting:
        new = [operation for operation in neighbours(waiting.pop()) if operation.name not in seen]
        seen.update(operation.name for operation in new)
        waiting.extend(new)
    return [operation for item in start[:1] for operation in item.graph.get_operations() if operation.name in seen]


def _consumers(operation: Any) -> list[Any]:
    return [consumer for tensor in operation.outputs for consumer in tensor.consumers()]


def _producers(operation: Any) -> list[Any]:
    return [*(tensor.op for tensor in operation.inputs), *operation.control_inputs]


def _labelled(tensors: list[Any]) -> dict[str, str]:
    """Tensor names by what they go under: the node's name, with the port where it is not the first."""
    return {tensor.name.removesuffix(":0"): tensor.name for tensor in tensors}


def _ambiguous(path: str, what: str, tensors: list[Any]) -> BadModel:
    names = list(_labelled(tensors))
    example = ", ".join(repr(name) for name in names[:2]) or "'scores'"
    return BadModel(
        "RL-SOURCE-010",
        f"{path} {what}" + (f": {', '.join(names[:20])}" if names else ""),
        hint=f"name inputs and outputs: inputs=['image'], outputs=[{example}]",
    )
