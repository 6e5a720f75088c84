"""The few tables of metadata_schema.fbs that relens fills in; fields go by their slot there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import flatbuffers
import numpy as np

from relens.graph.tensor import Tensor

IDENTIFIER = b"M001"
PARSER_VERSION = "1.0.0"
LABELS_FILE = "labels.txt"

IMAGE_PROPERTIES = 2  # in the union ContentProperties
NORMALIZATION_OPTIONS = 1  # in the union ProcessUnitOptions
COLOUR_SPACES = {"rgb": 1, "grey": 2}  # ColorSpaceType; 0 is unknown
AXIS_LABELS, VALUE_LABELS = 2, 3  # AssociatedFileType: a name for each element, or for each value


@dataclass(frozen=True)
class Description:
    """What the metadata says about a model; `mean` and `std` in units of a 0..255 picture."""

    name: str
    text: str
    labels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    colour: str


def packed(words: Description, picture: Tensor, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bytes:
    """A ModelMetadata flatbuffer; inputs and outputs in the subgraph's order, `picture` one of the inputs."""
    builder: Any = flatbuffers.Builder(1024)
    axis = next((t for t in outputs if words.labels and t.shape[-1:] == (len(words.labels),)), None)
    described_inputs = [
        _picture(builder, words, tensor) if tensor.index == picture.index else _tensor(builder, tensor, {})
        for tensor in inputs
    ]
    described_outputs = [
        _tensor(builder, tensor, {6: _labels_file(builder, AXIS_LABELS)} if tensor is axis else {})
        for tensor in outputs
    ]
    subgraph = {2: _vector(builder, described_inputs), 3: _vector(builder, described_outputs)}
    if words.labels and axis is None:
        subgraph[4] = _labels_file(builder, VALUE_LABELS)
    model = {
        0: builder.CreateString(words.name),
        1: builder.CreateString(words.text),
        3: _vector(builder, [_table(builder, subgraph)]),
        7: builder.CreateString(PARSER_VERSION),
    }
    builder.Finish(_table(builder, model), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def _picture(builder: Any, words: Description, tensor: Tensor) -> int:
    """TensorMetadata of a picture: its colour space, and one process unit that normalizes it."""
    image = _table(builder, {}, {0: COLOUR_SPACES.get(words.colour, 0)})
    content = _table(builder, {1: image}, {0: IMAGE_PROPERTIES})
    mean = builder.CreateNumpyVector(np.asarray(words.mean, np.float32))
    std = builder.CreateNumpyVector(np.asarray(words.std, np.float32))
    unit = _table(builder, {1: _table(builder, {0: mean, 1: std})}, {0: NORMALIZATION_OPTIONS})
    return _tensor(builder, tensor, {3: content, 4: _vector(builder, [unit])})


def _tensor(builder: Any, tensor: Tensor, fields: dict[int, int]) -> int:
    return _table(builder, {0: builder.CreateString(tensor.name), **fields})


def _labels_file(builder: Any, kind: int) -> int:
    return _vector(builder, [_table(builder, {0: builder.CreateString(LABELS_FILE)}, {2: kind})])


def _vector(builder: Any, tables: Sequence[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in reversed(tables):
        builder.PrependUOffsetTRelative(table)
    end: int = builder.EndVector()
    return end


def _table(builder: Any, offsets: dict[int, int], small: dict[int, int] | None = None) -> int:
    """A table of offsets and of one-byte numbers, by slot."""
    numbers = small or {}
    builder.StartObject(1 + max((*offsets, *numbers)))
    for slot, offset in offsets.items():
        builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
    for slot, number in numbers.items():
        builder.PrependUint8Slot(slot, number, 0)
    end: int = builder.EndObject()
    return end
