"""A TensorFlow graph between named tensors -> Servable. Runs in the child."""

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from relens.errors import BadModel
from relens.sources.ports import PLAIN_TYPES, OpenPort, fixed_ports
from relens.sources.request import Arrays
from relens.sources.servable import Servable, Tensors


def between(
    session: Any,
    definition: Any,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    shapes: Mapping[str, tuple[int, ...]] | None,
) -> Servable:
    """The part of a graph between inputs and outputs.

    Args:
        session: holds the source graph with its variables; gives the source's answers.
        definition: a `GraphDef` of it without variables.
        inputs: tensor names ("image:0") by the names they go under.
        outputs: the same.
        shapes: sizes for open dimensions, by input name.

    Raises:
        BadModel: RL-SOURCE-007, -008 or -010, as `fixed_ports`; -008, an output holds strings.
    """
    ports = fixed_ports([_port(name, session.graph.get_tensor_by_name(at)) for name, at in inputs.items()], shapes)
    _check_outputs({name: session.graph.get_tensor_by_name(at).dtype.name for name, at in outputs.items()})
    _drop_unused_functions(definition)
    _forget_shapes(definition)

    def body(*tensors: Any) -> list[Any]:
        fed = dict(zip(inputs.values(), tensors, strict=True))
        ends = list(outputs.values())
        found: list[Any] = tf.import_graph_def(definition, input_map=fed, return_elements=ends, name="")
        return found

    def answer(probe: Arrays) -> Arrays:
        feed = {at: probe[name] for name, at in inputs.items()}
        answers: Arrays = session.run(dict(outputs), feed)
        return answers

    specs = [tf.TensorSpec(port.shape, port.dtype) for port in ports]
    function = tf.compat.v1.wrap_function(body, specs)

    def call(tensors: Tensors) -> Tensors:
        return dict(zip(outputs, function(*(tensors[port.name] for port in ports)), strict=True))

    return Servable(answer, call, ports, tuple(outputs))


def _port(name: str, tensor: Any) -> OpenPort:
    sizes = None if tensor.shape.rank is None else list(tensor.shape)
    return OpenPort(name, sizes, tensor.dtype.name)


def _check_outputs(types: Mapping[str, str]) -> None:
    plain = [name for name, dtype in types.items() if dtype in PLAIN_TYPES]
    if len(plain) < len(types):
        others = ", ".join(f"{name} ({dtype})" for name, dtype in types.items() if dtype not in PLAIN_TYPES)
        raise BadModel(
            "RL-SOURCE-008",
            f"outputs hold no numbers: {others}",
            hint=f"keep the others: outputs={plain}" if plain else "export a signature that gives scores",
        )


def _drop_unused_functions(definition: Any) -> None:
    """Keep the functions that nodes call: a SavedModel brings gradients and other signatures, in circles."""
    functions = {function.signature.name: function for function in definition.library.function}
    used: dict[str, Any] = {}
    waiting = list(definition.node)
    while waiting:
        for name in _called(waiting.pop()) & (functions.keys() - used.keys()):
            used[name] = functions[name]
            waiting.extend(functions[name].node_def)
    definition.library.Clear()
    definition.library.function.extend(used[name] for name in sorted(used))


def _called(node: Any) -> set[str]:
    values = node.attr.values()
    listed = {function.name for value in values for function in value.list.func}
    return {node.op, *listed, *(value.func.name for value in values)}


def _forget_shapes(definition: Any) -> None:
    """Drop the shapes noted when the model was trained: they would contradict a batch of 1."""
    functions = [node for function in definition.library.function for node in function.node_def]
    for node in [*definition.node, *functions]:
        node.attr.pop("_output_shapes", None)
