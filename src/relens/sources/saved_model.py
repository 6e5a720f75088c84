"""SavedModel folders, of TensorFlow 2, Keras and TensorFlow 1. Runs in the child."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from relens.errors import BadModel
from relens.sources.ports import fixed_port
from relens.sources.request import Request
from relens.sources.servable import Servable, Tensors

DEFAULT = "serving_default"


def load(request: Request) -> Servable:
    """Load one signature of a SavedModel.

    Raises:
        BadModel: RL-SOURCE-010, no signature, several and none the default, or no such output;
            -007 and -008 as `fixed_port`.
    """
    path = Path(request.path)
    several = len(parse_saved_model(str(path)).meta_graphs) > 1
    loaded = tf.saved_model.load(str(path), tags=["serve"] if several else None)
    function = loaded.signatures[_chosen(path, sorted(loaded.signatures), request.signature)]
    shapes = request.input_shapes or {}
    specs: dict[str, Any] = function.structured_input_signature[1]
    ports = tuple(
        fixed_port(name, _sizes(spec.shape), spec.dtype.name, shapes.get(name)) for name, spec in specs.items()
    )

    def call(tensors: Tensors) -> Tensors:
        # A signature holds its variables weakly; this keeps them.
        assert loaded is not None
        results: Tensors = function(**tensors)
        return results

    return Servable(call, ports, tuple(function.structured_outputs)).with_outputs(request.outputs)


def _chosen(path: Path, signatures: Iterable[str], wanted: str | None) -> str:
    names = [name for name in signatures if not name.startswith("__")]
    if wanted in names or (wanted is None and DEFAULT in names):
        return wanted or DEFAULT
    if wanted is None and len(names) == 1:
        return names[0]
    what = f"no signature {wanted}" if wanted else f"no signature {DEFAULT}"
    raise BadModel(
        "RL-SOURCE-010",
        f"{path} has {what}; it has {', '.join(names) or 'none at all'}",
        hint=f'choose one: signature="{names[0]}"' if names else 'export it again: model.export("my_model")',
    )


def _sizes(shape: Any) -> list[int | None] | None:
    return None if shape.rank is None else list(shape)
