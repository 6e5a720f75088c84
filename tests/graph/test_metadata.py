"""Read back without our own code: the zip by zipfile, the tables by their slots in metadata_schema.fbs."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from flatbuffers import number_types

from relens.errors import BadModel
from relens.graph import Graph, normalised, with_metadata

Read = Callable[[str], Graph]
Infer = Callable[..., dict[str, np.ndarray]]

LABELS = [f"label {n}" for n in range(300)]
ABOUT = {"mean": [127.5, 127.5, 127.5], "std": [127.5, 128.0, 128.5], "name": "net", "description": "Tells 300 apart."}


class Slots:
    """A flatbuffer table, its fields by slot."""

    def __init__(self, data: bytes, position: int) -> None:
        self.table = flatbuffers.table.Table(data, position)

    def offset(self, slot: int) -> int:
        return int(self.table.Offset(4 + 2 * slot))

    def small(self, slot: int) -> int:
        return int(self.table.Get(number_types.Uint8Flags, self.table.Pos + self.offset(slot)))

    def text(self, slot: int) -> str:
        return bytes(self.table.String(self.table.Pos + self.offset(slot))).decode()

    def floats(self, slot: int) -> list[float]:
        values: list[float] = self.table.GetVectorAsNumpy(number_types.Float32Flags, self.offset(slot)).tolist()
        return values

    def one(self, slot: int) -> "Slots":
        return Slots(self.table.Bytes, self.table.Indirect(self.table.Pos + self.offset(slot)))

    def many(self, slot: int) -> list["Slots"]:
        start, length = self.table.Vector(self.offset(slot)), self.table.VectorLen(self.offset(slot))
        return [Slots(self.table.Bytes, self.table.Indirect(start + 4 * n)) for n in range(length)]


def metadata(graph: Graph) -> Slots:
    model: Any = schema.ModelT.InitFromPackedBuf(graph.content, 0)
    (entry,) = [entry for entry in model.metadata if entry.name == b"TFLITE_METADATA"]
    data = bytes(model.buffers[entry.buffer].data)
    assert data[4:8] == b"M001"
    return Slots(data, flatbuffers.encode.Get(flatbuffers.packer.uoffset, data, 0))


@pytest.mark.parametrize("name", ["float", "integer", "mixed"])
def test_the_tables_say_what_was_given(read: Read, name: str) -> None:
    root = metadata(with_metadata(read(name), labels=LABELS, **ABOUT))
    assert (root.text(0), root.text(1), root.text(7)) == ("net", "Tells 300 apart.", "1.0.0")
    (subgraph,) = root.many(3)
    (picture,) = subgraph.many(2)
    assert picture.text(0) == "picture"
    content, (unit,) = picture.one(3), picture.many(4)
    assert (content.small(0), content.one(1).small(0)) == (2, 1)  # ImageProperties, RGB
    assert unit.small(0) == 1  # NormalizationOptions
    assert ABOUT["mean"] == unit.one(1).floats(0)
    assert ABOUT["std"] == unit.one(1).floats(1)


def test_outputs_stand_in_the_files_order_and_the_fitting_one_has_the_labels(read: Read) -> None:
    graph = with_metadata(read("float"), labels=LABELS, **ABOUT)
    outputs = metadata(graph).many(3)[0].many(3)
    packed: Any = schema.ModelT.InitFromPackedBuf(graph.content, 0)
    names = {tensor.index: tensor.name for tensor in graph.outputs}
    assert [names[index] for index in packed.subgraphs[0].outputs] == [output.text(0) for output in outputs]
    labelled = {output.text(0): output.offset(6) for output in outputs}
    assert labelled["box"] == 0
    (scores,) = [output for output in outputs if output.text(0) == "scores"]
    (file,) = scores.many(6)
    assert (file.text(0), file.small(2)) == ("labels.txt", 2)  # TENSOR_AXIS_LABELS


def test_labels_that_fit_no_axis_belong_to_the_whole(read: Read) -> None:
    subgraph = metadata(with_metadata(read("float"), labels=["cat", "dog"], **ABOUT)).many(3)[0]
    (file,) = subgraph.many(4)
    assert (file.text(0), file.small(2)) == ("labels.txt", 3)  # TENSOR_VALUE_LABELS


@pytest.mark.parametrize("name", ["float", "integer"])
def test_labels_ride_behind_as_a_zip(read: Read, name: str) -> None:
    graph = with_metadata(read(name), labels=["two\nlines", "näher"], **ABOUT)
    with zipfile.ZipFile(io.BytesIO(graph.content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["labels.txt"]
        assert archive.read("labels.txt").decode() == "two lines\nnäher"
        assert archive.getinfo("labels.txt").compress_type == zipfile.ZIP_STORED


def test_without_labels_nothing_is_appended(read: Read) -> None:
    graph = with_metadata(read("float"), labels=[], **ABOUT)
    assert not zipfile.is_zipfile(io.BytesIO(graph.content))
    assert metadata(graph).many(3)[0].offset(4) == 0


@pytest.mark.parametrize("name", ["float", "integer"])
def test_the_runtime_computes_the_same(read: Read, infer: Infer, name: str) -> None:
    graph = read(name)
    described = with_metadata(graph, labels=LABELS, **ABOUT)
    picture = np.full((1, 16, 16, 3), 1, graph.inputs[0].dtype)
    before, after = infer(graph, picture=picture), infer(described, picture=picture)
    for output in before:
        np.testing.assert_array_equal(before[output], after[output])


def test_the_same_words_give_the_same_bytes_and_new_words_replace_the_old(read: Read) -> None:
    once = with_metadata(read("integer"), labels=LABELS, **ABOUT)
    other = with_metadata(once, labels=["x"], **{**ABOUT, "name": "other"})
    assert metadata(other).text(0) == "other"
    assert once == with_metadata(other, labels=LABELS, **ABOUT)
    assert normalised(read("integer")) == normalised(once)


@pytest.mark.parametrize(("colour", "space"), [("rgb", 1), ("grey", 2), ("bgr", None)])
def test_a_colour_order_the_standard_cannot_say_is_left_out(read: Read, colour: str, space: int | None) -> None:
    graph = with_metadata(read("float"), labels=[], colour=colour, **ABOUT)
    image = metadata(graph).many(3)[0].many(2)[0].one(3).one(1)
    assert space == (image.small(0) if image.offset(0) else None)


@pytest.mark.parametrize(("mean", "std"), [([0.0], [0.0]), ([0.0], [1.0, 1.0]), ([0.0] * 2, [1.0] * 2), ([], [])])
def test_normalization_that_does_not_fit_is_refused(read: Read, mean: list[float], std: list[float]) -> None:
    with pytest.raises(BadModel, match="input of 3 channels") as refused:
        with_metadata(read("float"), labels=[], mean=mean, std=std, name="n", description="d")
    assert refused.value.code == "RL-GRAPH-009"


def test_a_described_file_is_read_from_disk_again(read: Read, tmp_path: Path) -> None:
    graph = with_metadata(read("integer"), labels=LABELS, **ABOUT)
    graph.write(tmp_path / "model.tflite")
    assert graph == Graph.read(tmp_path / "model.tflite")
    assert [t.scales for t in read("integer").tensors] == [t.scales for t in graph.tensors]
