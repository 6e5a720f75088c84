"""The flatbuffer as a tree to edit: unpack, change, pack. What is written depends only on what was read."""

from collections.abc import Callable
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from relens.errors import BadModel
from relens.graph.graph import Graph
from relens.graph.reader import DAMAGE, IDENTIFIER, buffer_data

BUFFER_ALIGNMENT = 16  # the schema's force_align; the generated Python code forgets it


class StoredBytes:
    """A buffer's data `(size,) uint8`, packed where the schema wants it aligned."""

    def __init__(self, data: np.ndarray) -> None:
        self.data = data

    def Pack(self, builder: Any) -> int:  # noqa: N802  the generated schema calls it by this name
        """Write the buffer's table and return its offset."""
        vector = None
        if self.data.size:
            builder.StartVector(1, self.data.size, BUFFER_ALIGNMENT)
            builder.head = builder.head - self.data.size
            builder.Bytes[builder.head : builder.head + self.data.size] = self.data.tobytes()
            vector = builder.EndVector()
        schema.BufferStart(builder)
        if vector is not None:
            schema.BufferAddData(builder, vector)
        offset: int = schema.BufferEnd(builder)
        return offset


def edited(graph: Graph, change: Callable[[Any], None]) -> Graph:
    """The graph after `change` was applied to its tree (a `ModelT` whose buffers are `StoredBytes`).

    Constants and custom options stored behind the flatbuffer move inside; buffers nobody uses and
    anything appended to the file are dropped.

    Raises:
        BadModel: RL-GRAPH-002, a part of the file that reading alone does not visit is damaged.
    """
    try:
        model = _unpack(graph.content)
        change(model)
        _drop_unused_buffers(model)
        builder = flatbuffers.Builder(len(graph.content) + 1024)
        builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
        content = bytes(builder.Output())
    except DAMAGE as error:
        raise BadModel(
            "RL-GRAPH-002",
            f"the graph with sha256 {graph.sha256[:12]} is damaged and cannot be rewritten ({error})",
            hint="export the model again, then: relens inspect MODEL",
        ) from error
    return Graph.from_bytes(content)


def append_buffer(model: Any, data: bytes) -> int:
    """Add a buffer to the tree and return its index."""
    model.buffers.append(StoredBytes(np.frombuffer(data, np.uint8)))
    return len(model.buffers) - 1


def _unpack(content: bytes) -> Any:
    packed = schema.Model.GetRootAs(content)
    model = schema.ModelT.InitFromObj(packed)
    model.buffers = [
        StoredBytes(buffer_data(content, packed.Buffers(index))) for index in range(packed.BuffersLength())
    ]
    model.metadataBuffer = None  # deprecated, and its indices would go stale
    for subgraph in model.subgraphs:
        for op in subgraph.operators or []:
            if op.largeCustomOptionsOffset > 1:
                start = op.largeCustomOptionsOffset
                op.customOptions = np.frombuffer(content, np.uint8, op.largeCustomOptionsSize, start)
            op.largeCustomOptionsOffset = op.largeCustomOptionsSize = 0
    return model


def _drop_unused_buffers(model: Any) -> None:
    """Keep buffers somebody uses, in their order; all empty ones become buffer 0, as the format asks."""
    users = [tensor for subgraph in model.subgraphs for tensor in subgraph.tensors or []]
    users += model.metadata or []
    used = sorted({user.buffer for user in users if model.buffers[user.buffer].data.size})
    place = {old: new for new, old in enumerate(used, start=1)}
    model.buffers = [StoredBytes(np.empty(0, np.uint8)), *(model.buffers[old] for old in used)]
    for user in users:
        user.buffer = place.get(user.buffer, 0)
