"""Float `.tflite` files: taken as they are, but named, with float16 weights as float32 and a batch of 1."""

from pathlib import Path
from typing import Any

from relens.errors import BadModel
from relens.graph import Graph, normalised, with_signature
from relens.graph.flatbuffer import append_buffer, edited
from relens.sources.ports import shape_text

INTEGERS = ("int", "uint")


def load(path: Path) -> Graph:
    """Read the file; without a signature, it gets one.

    Raises:
        BadModel: RL-GRAPH-001 to -003, it cannot be read; RL-SOURCE-007, its batch is not 1; -016, it is quantized.
    """
    graph = Graph.read(path)
    quantized = [tensor for tensor in graph.tensors if tensor.quantized and tensor.dtype.startswith(INTEGERS)]
    if quantized:
        raise BadModel(
            "RL-SOURCE-016",
            f"{path} is quantized already: {len(quantized)} tensors, such as {quantized[0].tensor_name} "
            f"({quantized[0].dtype})",
            hint="relens quantizes by itself, from the float model: give the file it was made from",
        )
    for tensor in graph.inputs:
        if tensor.shape and tensor.shape[0] != 1:
            raise BadModel(
                "RL-SOURCE-007",
                f"{path}: input {tensor.name} {shape_text(tensor.shape)} has a batch of {tensor.shape[0]}, "
                "and a camera sends one frame",
                hint="give the model it was made from",
            )
    return with_signature(graph)


def canonical(graph: Graph) -> Graph:
    """The graph in the form all graphs travel in: float32 weights, a batch of 1."""
    return normalised(_closed(_widened(graph)))


def _closed(graph: Graph) -> Graph:
    """The graph with an open batch fixed to the 1 it runs with anyway."""
    if not all(tensor.open_dimensions in ((), (0,)) for tensor in graph.inputs):
        return graph

    def close(model: Any) -> None:
        for tensor in model.subgraphs[0].tensors:
            tensor.shapeSignature = None

    return edited(graph, close)


def _widened(graph: Graph) -> Graph:
    """The graph with float16 constants stored as float32, without the DEQUANTIZE ops that did it at load."""
    halves = [
        op
        for op in graph.ops
        if op.name == "DEQUANTIZE"
        and graph.tensors[op.inputs[0]].constant
        and graph.tensors[op.inputs[0]].dtype == "float16"
    ]
    if not halves:
        return graph
    gone = {op.index for op in halves}

    def widen(model: Any) -> None:
        main = model.subgraphs[0]
        for op in halves:
            half = graph.constant(graph.tensors[op.inputs[0]])
            main.tensors[op.outputs[0]].buffer = append_buffer(model, half.astype("<f4").tobytes())
            main.tensors[op.inputs[0]].buffer = 0
        main.operators = [op for index, op in enumerate(main.operators) if index not in gone]

    return edited(graph, widen)
