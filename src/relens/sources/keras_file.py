"""Keras files, `.keras` and `.h5`, those of Keras 2 included. Runs in the child."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from relens.errors import BadModel
from relens.sources.ports import OpenPort, fixed_ports, kept_outputs
from relens.sources.request import Arrays, Request
from relens.sources.servable import Servable, Tensors

# Arguments that Keras 2 wrote and Keras 3 refuses, with the value that means nothing.
HARMLESS: dict[str, dict[str, object]] = {
    "Conv1DTranspose": {"groups": 1},
    "Conv2DTranspose": {"groups": 1},
    "Conv3DTranspose": {"groups": 1},
    "DepthwiseConv1D": {"groups": 1},
    "DepthwiseConv2D": {"groups": 1},
    "SeparableConv1D": {"groups": 1},
    "SeparableConv2D": {"groups": 1},
    "GRU": {"time_major": False},
    "LSTM": {"time_major": False},
    "SimpleRNN": {"time_major": False},
}
MODELS = {"Functional", "Model", "Sequential"}


def load(request: Request) -> Servable:
    """Load a Keras file without running code that came with it.

    Raises:
        BadModel: RL-SOURCE-002, weights only; -014, it carries Python code; -015, layers of its own;
            -007, -008 and -010 as `fixed_ports` and `kept_outputs`.
    """
    path = Path(request.path)
    _check_layers(path, _config(path))
    shims = {name: _without(name, ignored) for name, ignored in HARMLESS.items()}
    model = keras.models.load_model(path, custom_objects=shims, compile=False, safe_mode=True)
    if not getattr(model, "inputs", None):
        raise _custom_error(path, [type(model).__name__])
    return _servable(model, request)


def _servable(model: Any, request: Request) -> Servable:
    # A Sequential has no `input` before it is called, and one of each.
    single = isinstance(model, keras.Sequential)
    taken, given_back = (model.inputs[0], model.outputs[0]) if single else (model.input, model.output)
    given = keras.tree.flatten(taken)
    names = _unique(_names(taken, [tensor.name for tensor in given]))
    types = [keras.backend.standardize_dtype(tensor.dtype) for tensor in given]
    shapes = [tensor.shape for tensor in given]
    ports = fixed_ports(list(map(OpenPort, names, shapes, types)), request.input_shapes)
    makers = [tensor._keras_history.operation.name for tensor in keras.tree.flatten(given_back)]
    outputs = _unique(_names(given_back, makers))

    def call(tensors: Tensors) -> Tensors:
        fed = keras.tree.pack_sequence_as(taken, [tensors[port.name] for port in ports])
        return dict(zip(outputs, keras.tree.flatten(model(fed, training=False)), strict=True))

    def answer(probe: Arrays) -> Arrays:
        return {name: keras.ops.convert_to_numpy(value) for name, value in call(probe).items()}

    return Servable(answer, call, ports, kept_outputs(outputs, request.outputs))


def _names(structure: Any, otherwise: list[str]) -> list[str]:
    """The keys of a dict of tensors, in the order they are flattened in; else the other names."""
    if not isinstance(structure, dict):
        return otherwise
    return ["/".join(map(str, path)) for path, _ in keras.tree.flatten_with_path(structure)]


def _unique(names: list[str]) -> list[str]:
    """The same names, repeated ones numbered."""
    return [
        f"{name}_{names[:index].count(name)}" if name in names[:index] else name for index, name in enumerate(names)
    ]


def _config(path: Path) -> dict[str, Any]:
    """The model's architecture as the file tells it."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            text = archive.read("config.json")
    else:
        with h5py.File(path) as file:
            text = file.attrs.get("model_config")
    if text is None:
        raise BadModel(
            "RL-SOURCE-002",
            f"{path} holds weights without the model they belong to",
            hint='build the model, load these weights into it, then: model.save("model.keras")',
        )
    config: dict[str, Any] = json.loads(text)
    return config


def _check_layers(path: Path, config: dict[str, Any]) -> None:
    layers = list(_layers({"layers": [config]}))
    if any(layer["class_name"] == "Lambda" for layer in layers):
        names = ", ".join(layer["config"]["name"] for layer in layers if layer["class_name"] == "Lambda")
        raise BadModel(
            "RL-SOURCE-014",
            f"{path} carries Python code in Lambda layers ({names}), which relens does not run",
            hint='where you trust it, load it with safe_mode=False and model.export("my_model"): '
            "a SavedModel holds the operations, not the code",
        )
    foreign = sorted({layer["class_name"] for layer in layers if not _known(layer)})
    if foreign:
        raise _custom_error(path, foreign)


def _layers(node: Any) -> Iterator[dict[str, Any]]:
    """Every layer in a configuration, nested ones and wrapped ones too."""
    if isinstance(node, list):
        for item in node:
            yield from _layers(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in ("layers", "layer", "forward_layer", "backward_layer", "cell", "cells"):
                items = value if isinstance(value, list) else [value]
                yield from (item for item in items if isinstance(item, dict) and "class_name" in item)
            yield from _layers(value)


def _known(layer: dict[str, Any]) -> bool:
    """Whether Keras has this layer itself. A module is named by Keras 3 only."""
    if (layer.get("module") or "").split(".")[0] == "keras":
        return True
    return layer["class_name"] in MODELS or hasattr(keras.layers, layer["class_name"])


def _custom_error(path: Path, layers: list[str]) -> BadModel:
    return BadModel(
        "RL-SOURCE-015",
        f"{path} needs layers that Keras {keras.__version__} does not have: {', '.join(layers)}",
        hint='export a SavedModel, which needs no classes, in the program that made it: model.export("my_model")',
    )


def _without(name: str, ignored: dict[str, object]) -> Any:
    """A stand-in for a Keras layer that drops these arguments where they have these values."""
    layer = getattr(keras.layers, name)

    def from_config(_cls: type, config: dict[str, object]) -> Any:
        nothing = object()
        kept = {key: value for key, value in config.items() if ignored.get(key, nothing) != value}
        return layer.from_config(kept)

    return type(name, (layer,), {"from_config": classmethod(from_config)})
