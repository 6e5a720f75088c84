"""What a Keras file says about its layers: read it, judge it, mend what Keras 2 wrote differently. In the child."""

import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import keras

from relens.errors import BadModel

Config = dict[str, Any]

ARCHIVED = "config.json"  # in a .keras
ATTRIBUTE = "model_config"  # in an .h5
MODELS = frozenset({"Functional", "Model", "Sequential"})
NESTED = frozenset({"layers", "layer", "forward_layer", "backward_layer", "cell", "cells"})
# Arguments that Keras 2 wrote and Keras 3 refuses, with the value that means nothing.
HARMLESS: dict[str, Config] = {
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
# Half precision is how it was trained on a GPU; the weights are float32, and so is TFLite on a CPU.
MIXED = frozenset({"mixed_float16", "mixed_bfloat16"})


def read_config(path: Path) -> Config:
    """The architecture in a `.keras` or `.h5` file.

    Raises:
        BadModel: RL-SOURCE-002, an `.h5` with weights only.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            text = archive.read(ARCHIVED)
    else:
        with h5py.File(path) as file:
            text = file.attrs.get(ATTRIBUTE)
    if text is None:
        raise BadModel(
            "RL-SOURCE-002",
            f"{path} holds weights without the model they belong to",
            hint='build the model, load these weights into it, then: model.save("model.keras")',
        )
    config: Config = json.loads(text)
    return config


def check_layers(path: Path, config: Config) -> None:
    """Refuse what Keras alone cannot rebuild.

    Raises:
        BadModel: RL-SOURCE-014, Python code; -015, layers of its own.
    """
    layers = list(_layers({"layers": [config]}))
    code = [layer["config"].get("name", "?") for layer in layers if layer["class_name"] == "Lambda"]
    if code:
        raise BadModel(
            "RL-SOURCE-014",
            f"{path} carries Python code in Lambda layers ({', '.join(code)}), which relens does not run",
            hint='where you trust it, load it with safe_mode=False and model.export("my_model"): '
            "a SavedModel holds the operations, not the code",
        )
    foreign = sorted({layer["class_name"] for layer in layers if not _known(layer)})
    if foreign:
        raise custom_layers(path, foreign)


def custom_layers(path: Path, layers: list[str]) -> BadModel:
    """The error for layers only the program that made the file has."""
    return BadModel(
        "RL-SOURCE-015",
        f"{path} needs layers that Keras {keras.__version__} cannot read back: {', '.join(layers)}",
        hint='export a SavedModel, which needs no classes, in the program that made it: model.export("my_model")',
    )


def mended(path: Path, config: Config, folder: Path) -> Path:
    """The file, or a copy of it in `folder` in plain float32 and without what Keras 2 wrote and Keras 3 refuses."""
    before = json.dumps(config)
    for layer in _layers({"layers": [config]}):
        _mend(layer["class_name"], layer["config"])
    after = json.dumps(config)
    if after == before:
        return path
    copy = folder / f"mended{path.suffix}"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as source, zipfile.ZipFile(copy, "w") as target:
            for name in source.namelist():
                target.writestr(name, after if name == ARCHIVED else source.read(name))
    else:
        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            file.attrs[ATTRIBUTE] = after
    return copy


def _mend(class_name: str, arguments: Config) -> None:
    for key, nothing in HARMLESS.get(class_name, {}).items():
        if arguments.get(key) == nothing:
            del arguments[key]
    if class_name == "BatchNormalization" and isinstance(arguments.get("axis"), list):
        (arguments["axis"],) = arguments["axis"]
    policy = arguments.get("dtype")
    if isinstance(policy, dict) and policy["config"].get("name") in MIXED:
        arguments["dtype"] = "float32"


def _layers(node: Any) -> Iterator[Config]:
    """Every layer in a configuration, nested ones and wrapped ones too."""
    if isinstance(node, list):
        for item in node:
            yield from _layers(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key in NESTED:
                items = value if isinstance(value, list) else [value]
                yield from (item for item in items if isinstance(item, dict) and "class_name" in item)
            yield from _layers(value)


def _known(layer: Config) -> bool:
    """Whether Keras has this layer itself. Only Keras 3 names a module."""
    if (layer.get("module") or "").partition(".")[0] == "keras":
        return True
    return layer["class_name"] in MODELS or hasattr(keras.layers, layer["class_name"])
