"""Standard TFLite metadata, so that other tools can use the file alone.

The tables are those of https://www.tensorflow.org/lite/models/convert/metadata (metadata_schema.fbs,
identifier M001); labels ride behind the flatbuffer as a zip, which a reader finds from the file's end.
"""

import io
import zipfile
from collections.abc import Sequence
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from relens.errors import BadModel
from relens.graph.flatbuffer import append_buffer, edited
from relens.graph.graph import Graph
from relens.graph.metadata_tables import LABELS_FILE, Description, packed
from relens.graph.tensor import Tensor

METADATA_NAME = b"TFLITE_METADATA"


def with_metadata(
    graph: Graph,
    *,
    labels: Sequence[str],
    mean: Sequence[float],
    std: Sequence[float],
    name: str,
    description: str,
    colour: str = "rgb",
) -> Graph:
    """The graph with its name, its input's normalization and its labels inside the file.

    Call it last: any later rewriting drops the labels.

    Args:
        graph: a graph whose first input is the picture.
        labels: one a class; none leaves the file out. They belong to the first output whose last
            dimension is as long, else to the graph's values as a whole.
        mean: one value or one a channel, in units of a 0..255 picture: input = (pixel - mean) / std.
        std: likewise; none of them 0.
        name: the model's name.
        description: what the model does, in a sentence or two.
        colour: "rgb", "grey", or "bgr", which the standard cannot say and is left out.

    Raises:
        BadModel: RL-GRAPH-009, mean and std do not fit each other or the input.
    """
    _check_normalization(graph, mean, std)

    words = Description(name, description, tuple(labels), tuple(mean), tuple(std), colour)

    def describe(model: Any) -> None:
        main = model.subgraphs[0]
        inputs = _in_file_order(main.inputs, graph.inputs)
        outputs = _in_file_order(main.outputs, graph.outputs)
        model.metadata = [entry for entry in model.metadata or [] if entry.name != METADATA_NAME]
        entry = schema.MetadataT()
        entry.name = METADATA_NAME
        entry.buffer = append_buffer(model, packed(words, graph.inputs[0], inputs, outputs))
        model.metadata.append(entry)

    described = edited(graph, describe)
    return Graph.from_bytes(_with_labels_file(described.content, labels)) if labels else described


def _check_normalization(graph: Graph, mean: Sequence[float], std: Sequence[float]) -> None:
    channels = next((tensor.shape[-1] for tensor in graph.inputs[:1] if tensor.shape), 0)
    if not channels or len(mean) != len(std) or len(mean) not in {1, channels} or 0 in std:
        raise BadModel(
            "RL-GRAPH-009",
            f"mean {list(mean)} and std {list(std)} do not fit an input of {channels} channels",
            hint="give one value, or one a channel, and no std of 0: [input] scaling in relens.toml",
        )


def _in_file_order(indices: Sequence[int], tensors: tuple[Tensor, ...]) -> list[Tensor]:
    """Metadata goes by the subgraph's order, which need not be the signature's."""
    by_index = {tensor.index: tensor for tensor in tensors}
    return [by_index[int(index)] for index in indices]


def _with_labels_file(content: bytes, labels: Sequence[str]) -> bytes:
    stream = io.BytesIO(content)
    stream.seek(0, io.SEEK_END)
    # "w" at the end rather than "a": weights may happen to look like a zip's directory.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        entry = zipfile.ZipInfo(LABELS_FILE, date_time=(1980, 1, 1, 0, 0, 0))
        entry.create_system = 3
        archive.writestr(entry, "\n".join(" ".join(label.split()) for label in labels))
    return stream.getvalue()
