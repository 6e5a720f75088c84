"""SavedModel folders, of TensorFlow 2, Keras 2 and 3, and TensorFlow 1. Runs in the child."""

from collections.abc import Iterable
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_from_session_graph
from tensorflow.python.saved_model.loader_impl import parse_saved_model

from relens.errors import BadModel
from relens.sources.ports import kept_outputs
from relens.sources.request import Request
from relens.sources.servable import Servable
from relens.sources.tensorflow_graph import between

DEFAULT = "serving_default"
SERVE = "serve"


def load(request: Request) -> Servable:
    """Load one signature of a SavedModel, as TensorFlow Serving does: the graph, without Python objects.

    `tf.saved_model.load` revives those objects too, and fails on the optimizers Keras 2 saved.

    Raises:
        BadModel: RL-SOURCE-010, no signature, several and none the default, or no such output;
            -007 and -008 as `between`.
    """
    path = request.path
    session = tf.compat.v1.Session(graph=tf.Graph())
    with session.graph.as_default():
        meta = tf.compat.v1.saved_model.load(session, _tags(path), path)
    signature = meta.signature_def[_chosen(path, sorted(meta.signature_def), request.signature)]
    inputs, outputs = _tensors(signature.inputs), _tensors(signature.outputs)
    outputs = {name: outputs[name] for name in kept_outputs(list(outputs), request.outputs)}
    definition = convert_variables_to_constants_from_session_graph(
        session,
        session.graph.as_graph_def(),
        sorted({name.partition(":")[0] for name in outputs.values()}),
    )
    return between(session, definition, inputs, outputs, request.input_shapes)


def _tags(path: str) -> list[str]:
    """The tags of the graph to load: the only one, or the one for serving."""
    graphs = [list(graph.meta_info_def.tags) for graph in parse_saved_model(path).meta_graphs]
    return graphs[0] if len(graphs) == 1 else [SERVE]


def _tensors(infos: Any) -> dict[str, str]:
    """Tensor names by the signature's names, in a fixed order: protobuf's maps have none."""
    return {name: infos[name].name for name in sorted(infos)}


def _chosen(path: str, signatures: Iterable[str], wanted: str | None) -> str:
    names = [name for name in signatures if not name.startswith("__")]
    if wanted in names or (wanted is None and DEFAULT in names):
        return wanted or DEFAULT
    if wanted is None and len(names) == 1:
        return names[0]
    raise BadModel(
        "RL-SOURCE-010",
        f"{path} has no signature {wanted or DEFAULT}; it has {', '.join(names) or 'none at all'}",
        hint=f'choose one: signature="{names[0]}"' if names else 'export it again: model.export("my_model")',
    )
