"""Damaged files give a graph or a refusal: never another exception, a crash or a long wait."""

import random
import time
from collections.abc import Callable
from contextlib import suppress

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from relens.errors import BadModel
from relens.graph import Graph, cost, findings, float_tensors, normalised, with_metadata, with_signature

Read = Callable[[str], Graph]
PATIENCE_S = 5.0


def use(content: bytes) -> None:
    """Everything a caller may do with a file that reading let through."""
    with suppress(BadModel):
        graph = Graph.from_bytes(content)
        repr(graph), cost(graph), findings(graph), float_tensors(graph)
        for tensor in graph.tensors:
            with suppress(BadModel):
                graph.constant(tensor)
        again = normalised(graph)
        assert len(again.ops) == len(graph.ops)
        with_signature(graph, [f"in_{i}" for i in range(len(graph.inputs))])
        with_metadata(graph, labels=["a"], mean=[0.0], std=[1.0], name="n", description="d")


@pytest.mark.parametrize("name", ["matmul", "volume", "unsigned", "integer"])
def test_truncated_files_are_survived(read: Read, name: str) -> None:
    content = read(name).content
    for length in range(8, len(content), max(1, len(content) // 150)):
        use(content[:length])


def test_half_a_file_is_refused_by_name(read: Read) -> None:
    content = read("float").content
    with pytest.raises(BadModel, match=r"half\.tflite is truncated or damaged") as refused:
        Graph.from_bytes(content[: len(content) // 2], "half.tflite")
    assert refused.value.code == "RL-GRAPH-002"


@pytest.mark.parametrize(("name", "times"), [("matmul", 400), ("volume", 400), ("unsigned", 250), ("integer", 50)])
def test_flipped_bytes_are_survived(read: Read, name: str, times: int) -> None:
    chance = random.Random(name)
    original = read(name).content
    for _ in range(times):
        content = bytearray(original)
        for _ in range(chance.choice([1, 1, 1, 8])):
            # The tables are at the front; what lies behind is mostly weights.
            content[chance.randrange(min(len(content), 6000))] = chance.choice([0, 1, 127, 255, chance.randrange(256)])
        started = time.monotonic()
        use(bytes(content))
        assert time.monotonic() - started < PATIENCE_S


@pytest.mark.parametrize("word", [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xf0\xff\xff\xff"])
def test_extreme_offsets_and_lengths_are_survived(read: Read, word: bytes) -> None:
    original = read("matmul").content
    for position in range(0, len(original) - 4, 4):
        use(original[:position] + word + original[position + 4 :])


@pytest.mark.parametrize("length", [10**4, 10**6, 10**9])
def test_lengths_beyond_the_file_are_survived(read: Read, length: int) -> None:
    original = read("matmul").content
    for position in range(0, len(original) - 4, 4):
        use(original[:position] + length.to_bytes(4, "little") + original[position + 4 :])


def test_one_long_vector_shared_by_many_tensors_cannot_stall_the_reader() -> None:
    started = time.monotonic()
    with pytest.raises(BadModel, match="a vector longer than the file"):
        Graph.from_bytes(shared_scales(tensors=3000, channels=200_000))
    assert time.monotonic() - started < PATIENCE_S


def shared_scales(tensors: int, channels: int) -> bytes:
    """A file of a megabyte whose tensors all point at the same long list of scales."""
    builder = flatbuffers.Builder(1024)
    shape = builder.CreateNumpyVector(np.array([channels], np.int32))
    scales = builder.CreateNumpyVector(np.ones(channels, np.float32))
    schema.QuantizationParametersStart(builder)
    schema.QuantizationParametersAddScale(builder, scales)
    quantization = schema.QuantizationParametersEnd(builder)
    tables = []
    for _ in range(tensors):
        schema.TensorStart(builder)
        schema.TensorAddShape(builder, shape)
        schema.TensorAddQuantization(builder, quantization)
        tables.append(schema.TensorEnd(builder))
    listed = vector(builder, tables)
    schema.SubGraphStart(builder)
    schema.SubGraphAddTensors(builder, listed)
    subgraphs = vector(builder, [schema.SubGraphEnd(builder)])
    schema.BufferStart(builder)
    buffers = vector(builder, [schema.BufferEnd(builder)])
    schema.ModelStart(builder)
    schema.ModelAddSubgraphs(builder, subgraphs)
    schema.ModelAddBuffers(builder, buffers)
    builder.Finish(schema.ModelEnd(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def vector(builder: flatbuffers.Builder, tables: list[int]) -> int:
    builder.StartVector(4, len(tables), 4)
    for table in tables:
        builder.PrependUOffsetTRelative(table)
    return int(builder.EndVector())
