"""Float `.tflite` files: taken as they are, with names, and float16 weights as float32."""

from pathlib import Path
from typing import Any

from relens.errors import BadModel
from relens.graph import Graph, Tensor, normalised, with_signature
from relens.graph.flatbuffer import append_buffer, edited
from relens.sources.ports import Port, fixed_port

INTEGERS = ("int", "uint")


def load(path: Path, outputs: tuple[str, ...] | None) -> Graph:
    """Read the file.

    Raises:
        BadModel: RL-GRAPH-001 to -003, it cannot be read; RL-SOURCE-007, open sizes or a batch that is not 1;
            -010, outputs cannot be chosen here; -016, it is quantized.
    """
    graph = Graph.read(path)
    quantized = [t for t in graph.tensors if t.quantized and t.dtype.startswith(INTEGERS)]
    if quantized:
        raise BadModel(
            "RL-SOURCE-016",
            f"{path} is quantized already: {len(quantized)} tensors, such as {quantized[0].tensor_name} "
            f"({quantized[0].dtype})",
            hint="relens quantizes by itself, from the float model: give the file it was made from",
        )
    named = with_signature(graph)
    given = [tensor.name for tensor in named.outputs]
    if outputs is not None and set(outputs) != set(given):
        raise BadModel(
            "RL-SOURCE-010",
            f"{path} has the outputs {', '.join(given)}, and a .tflite is taken as it is",
            hint="leave outputs out, or give the model it was made from",
        )
    return normalised(_widened(named))


def ports(graph: Graph) -> list[Port]:
    """The inputs of a graph.

    Raises:
        BadModel: RL-SOURCE-007 or -008, as `fixed_port`.
    """
    return [fixed_port(tensor.name, _sizes(tensor), tensor.dtype, None) for tensor in graph.inputs]


def _sizes(tensor: Tensor) -> list[int | None]:
    open_sizes = tensor.open_dimensions
    return [None if axis in open_sizes else size for axis, size in enumerate(tensor.shape)]


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
