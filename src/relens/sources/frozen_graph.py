"""Frozen graphs of TensorFlow 1, `.pb`. Runs in the child."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from relens.errors import BadModel
from relens.sources.ports import fixed_port
from relens.sources.request import Request
from relens.sources.servable import Servable, Tensors

VARIABLES = {"Variable", "VariableV2", "VarHandleOp", "AutoReloadVariable", "TemporaryVariable"}
MAX_OUTPUTS = 16


def load(request: Request) -> Servable:
    """Load a frozen graph between its inputs and outputs.

    Without names, inputs are the placeholders that outputs depend on, and outputs what nobody consumes
    and an input reaches: floating point if there is any, else integer.

    Raises:
        BadModel: RL-SOURCE-017, it has variables; -010, names it does not have, or no end to be found;
            -007 and -008 as `fixed_port`.
    """
    definition = tf.compat.v1.GraphDef.FromString(Path(request.path).read_bytes())
    _check_frozen(definition, request.path)
    for node in definition.node:
        node.attr.pop("_output_shapes", None)  # shapes noted in training would contradict a batch of 1
    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    outputs = _named(graph, request.outputs, request.path) if request.outputs else _ends(graph, request.path)
    inputs = _named(graph, request.inputs, request.path) if request.inputs else _placeholders(graph, outputs)
    if not inputs:
        raise _ambiguous(request.path, "depends on no placeholder", outputs)
    shapes = request.input_shapes or {}
    ports = [
        fixed_port(_label(tensor), _sizes(tensor.shape), tensor.dtype.name, shapes.get(_label(tensor)))
        for tensor in inputs
    ]
    names = tuple(_label(tensor) for tensor in outputs)
    specs = [tf.TensorSpec(port.shape, port.dtype) for port in ports]

    def body(*tensors: Any) -> list[Any]:
        fed = {tensor.name: value for tensor, value in zip(inputs, tensors, strict=True)}
        ends = [tensor.name for tensor in outputs]
        found: list[Any] = tf.import_graph_def(definition, input_map=fed, return_elements=ends, name="")
        return found

    function = tf.compat.v1.wrap_function(body, specs)

    def call(tensors: Tensors) -> Tensors:
        return dict(zip(names, function(*(tensors[port.name] for port in ports)), strict=True))

    return Servable(call, tuple(ports), names)


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
    tensors = []
    for name in names:
        node, _, port = name.partition(":")
        found = operations.get(node)
        if found is None or not (port or "0").isdecimal() or int(port or 0) >= len(found.outputs):
            near = [known for known in operations if node.rpartition("/")[2] in known][:5]
            raise BadModel(
                "RL-SOURCE-010",
                f"{path} has no tensor {name}" + (f"; it has {', '.join(near)}" if near else ""),
                hint="leave the names out and relens looks for them",
            )
        tensors.append(found.outputs[int(port or 0)])
    return tensors


def _ends(graph: Any, path: str) -> list[Any]:
    """What nobody consumes and a placeholder reaches."""
    reached = _reached([op for op in graph.get_operations() if op.type == "Placeholder"])
    ends = [
        tensor
        for operation in reached
        if operation.type != "Placeholder" and not any(tensor.consumers() for tensor in operation.outputs)
        for tensor in operation.outputs
    ]
    floating = [tensor for tensor in ends if tensor.dtype.is_floating]
    chosen = floating or [tensor for tensor in ends if tensor.dtype.is_integer or tensor.dtype.is_bool]
    if not 0 < len(chosen) <= MAX_OUTPUTS:
        raise _ambiguous(path, f"has {len(chosen)} possible outputs", chosen)
    return chosen


def _reached(operations: list[Any]) -> list[Any]:
    """These operations and all that depend on them, in graph order."""
    seen = {operation.name: operation for operation in operations}
    waiting = list(operations)
    while waiting:
        for tensor in waiting.pop().outputs:
            for consumer in tensor.consumers():
                if consumer.name not in seen:
                    seen[consumer.name] = consumer
                    waiting.append(consumer)
    return [operation for operation in operations[0].graph.get_operations() if operation.name in seen] if seen else []


def _placeholders(graph: Any, outputs: list[Any]) -> list[Any]:
    """The placeholders these outputs depend on, in graph order."""
    needed = set(_sources(outputs))
    return [op.outputs[0] for op in graph.get_operations() if op.name in needed and op.type == "Placeholder"]


def _sources(outputs: list[Any]) -> Iterator[str]:
    seen = set()
    waiting = [tensor.op for tensor in outputs]
    while waiting:
        operation = waiting.pop()
        if operation.name not in seen:
            seen.add(operation.name)
            yield operation.name
            waiting.extend(tensor.op for tensor in operation.inputs)
            waiting.extend(operation.control_inputs)


def _ambiguous(path: str, what: str, tensors: list[Any]) -> BadModel:
    names = [_label(tensor) for tensor in tensors]
    example = ", ".join(repr(name) for name in names[:2]) or "'scores'"
    return BadModel(
        "RL-SOURCE-010",
        f"{path} {what}" + (f": {', '.join(names[:20])}" if names else ""),
        hint=f"name inputs and outputs: inputs=['image'], outputs=[{example}]",
    )


def _label(tensor: Any) -> str:
    """A tensor's name without the port where it is the first."""
    name: str = tensor.name
    return name.removesuffix(":0")


def _sizes(shape: Any) -> list[int | None] | None:
    return None if shape.rank is None else list(shape)
