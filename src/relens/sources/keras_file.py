"""Keras files, `.keras` and `.h5`, those of Keras 2 included. Runs in the child."""

from pathlib import Path
from typing import Any

import keras

from relens.sources.keras_config import check_layers, custom_layers, mended, read_config
from relens.sources.ports import OpenPort, fixed_ports, kept_outputs
from relens.sources.request import Arrays, Request
from relens.sources.servable import Servable, Tensors


def load(request: Request) -> Servable:
    """Load a Keras file without running code that came with it.

    Raises:
        BadModel: RL-SOURCE-002, weights only; -014, it carries Python code; -015, layers of its own;
            -007, -008 and -010 as `fixed_ports` and `kept_outputs`.
    """
    path = Path(request.path)
    config = read_config(path)
    check_layers(path, config)
    model = keras.models.load_model(mended(path, config, Path.cwd()), compile=False, safe_mode=True)
    if not getattr(model, "inputs", None):
        raise custom_layers(path, [type(model).__name__])
    return _servable(model, request)


def _servable(model: Any, request: Request) -> Servable:
    # A Sequential has one input and one output, and no structure of them before it is called.
    single = isinstance(model, keras.Sequential)
    taken, given = (model.inputs[0], model.outputs[0]) if single else (model.input, model.output)
    tensors = keras.tree.flatten(taken)
    names = _names(taken, [tensor.name for tensor in tensors])
    shapes = [tensor.shape for tensor in tensors]
    types = [keras.backend.standardize_dtype(tensor.dtype) for tensor in tensors]
    ports = fixed_ports(list(map(OpenPort, names, shapes, types)), request.input_shapes)
    outputs = _names(given, [tensor._keras_history.operation.name for tensor in keras.tree.flatten(given)])

    def call(inputs: Tensors) -> Tensors:
        fed = keras.tree.pack_sequence_as(taken, [inputs[port.name] for port in ports])
        return dict(zip(outputs, keras.tree.flatten(model(fed, training=False)), strict=True))

    def answer(probe: Arrays) -> Arrays:
        return {name: keras.ops.convert_to_numpy(value) for name, value in call(probe).items()}

    return Servable(answer, call, ports, kept_outputs(outputs, request.outputs))


def _names(structure: Any, layers: list[str]) -> list[str]:
    """The keys of a dict of tensors, in the order they are flattened in; else their layers, repeated ones numbered."""
    if isinstance(structure, dict):
        return ["/".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(structure)]
    return [
        f"{name}_{layers[:index].count(name)}" if name in layers[:index] else name for index, name in enumerate(layers)
    ]
