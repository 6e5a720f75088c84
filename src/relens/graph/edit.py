"""Change a graph's constants and wiring, op for op. Shapes follow from the constants, as the runtime infers them."""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray

from relens.errors import BadModel
from relens.graph.flatbuffer import append_buffer, edited
from relens.graph.graph import Graph

Operand = tuple[int, int]
"""An operation's index and the position of one of its inputs."""

_TYPES = {"float32": schema.TensorType.FLOAT32, "int32": schema.TensorType.INT32, "int64": schema.TensorType.INT64}


def with_operands(graph: Graph, constants: Mapping[Operand, NDArray[Any]]) -> Graph:
    """The graph with other constants at some operands: float32, int32 or int64 arrays, of any shape that fits.

    Each operand gets a tensor of its own, so that operations which happened to share a constant (all-zero biases,
    say) part ways; equal ones share their bytes, so that a kernel used twice is stored once. A position one past the
    last adds an optional operand, such as a bias. Shapes downstream are inferred again.

    Raises:
        BadModel: RL-GRAPH-010, the runtime refuses the graph with these shapes.
    """

    def change(model: Any) -> None:
        main = model.subgraphs[0]
        buffers: dict[bytes, int] = {}
        for (op, position), value in constants.items():
            inputs = list(main.operators[op].inputs)
            inputs += [-1] * (position + 1 - len(inputs))
            data = np.ascontiguousarray(value).tobytes()
            if data not in buffers:
                buffers[data] = append_buffer(model, data)
            main.tensors.append(_constant(f"{_name(main, op)}/{position}", value, buffers[data]))
            inputs[position] = len(main.tensors) - 1
            main.operators[op].inputs = inputs

    changed = edited(graph, change)
    moved = any(_shape(graph, operand) not in {None, value.shape} for operand, value in constants.items())
    return compacted(with_inferred_shapes(changed) if moved or _shape_operands(graph, constants) else changed)


def rewired(graph: Graph, instead: Mapping[int, int]) -> Graph:
    """The graph in which readers of tensor `old` read `instead[old]`; operations nobody reads any more are gone.

    The graph's outputs keep their tensors: one that is in `instead` is refused.

    Raises:
        BadModel: RL-GRAPH-010, an output would change its tensor, or the runtime refuses the shapes.
    """
    for tensor in graph.outputs:
        if tensor.index in instead:
            raise _refused(graph, f"output `{tensor.name}` cannot be replaced")

    def change(model: Any) -> None:
        for op in model.subgraphs[0].operators:
            op.inputs = [_follow(instead, index) for index in op.inputs]

    return compacted(with_inferred_shapes(compacted(edited(graph, change))))


def with_outputs(graph: Graph, tensors: Sequence[int]) -> Graph:
    """The graph with more tensors as outputs, under their `inner_names` in its signatures; for looking inside."""
    present = {tensor.index for tensor in graph.outputs}
    extra = [index for index in dict.fromkeys(tensors) if index not in present]
    names = inner_names(graph)

    def change(model: Any) -> None:
        main = model.subgraphs[0]
        main.outputs = [*main.outputs, *extra]
        for signature in _signatures(model):
            for index in extra:
                entry = schema.TensorMapT()
                entry.name, entry.tensorIndex = names[index], index
                signature.outputs.append(entry)

    return edited(graph, change)


def inner_names(graph: Graph) -> list[str]:
    """A name for each tensor: inputs and outputs by the signature, the others by their own name, no name twice.

    A name that is empty, or already another tensor's, gets the tensor's index behind it.
    """
    names = {tensor.index: tensor.name for tensor in (*graph.inputs, *graph.outputs)}
    taken = set(names.values())
    for tensor in graph.tensors:
        if tensor.index not in names:
            name = tensor.tensor_name
            names[tensor.index] = f"{name}#{tensor.index}" if not name or name in taken else name
            taken.add(names[tensor.index])
    return [names[tensor.index] for tensor in graph.tensors]


def compacted(graph: Graph) -> Graph:
    """The graph without operations and tensors that no output needs; inputs stay, and operations without a result."""
    needed = {tensor.index for tensor in graph.outputs}
    kept = []
    for op in reversed(graph.ops):
        if needed & set(op.outputs) or not op.outputs:  # one without a result is there for its effect
            needed |= {index for index in (*op.inputs, *op.outputs) if index >= 0}
            kept.append(op.index)
    needed |= {tensor.index for tensor in graph.inputs}
    place = {old: new for new, old in enumerate(sorted(needed))}
    if len(place) == len(graph.tensors):
        return graph

    def change(model: Any) -> None:
        main = model.subgraphs[0]
        main.operators = [main.operators[index] for index in sorted(kept)]
        main.tensors = [main.tensors[index] for index in sorted(needed)]
        for op in main.operators:
            op.inputs = [place[index] if index >= 0 else -1 for index in op.inputs]
            op.outputs = [place[index] for index in op.outputs]
        main.inputs = [place[index] for index in main.inputs]
        main.outputs = [place[index] for index in main.outputs]
        for signature in _signatures(model):
            for entry in (*(signature.inputs or []), *(signature.outputs or [])):
                entry.tensorIndex = place[entry.tensorIndex]

    return edited(graph, change)


def with_inferred_shapes(graph: Graph) -> Graph:
    """The graph with every tensor's shape as the runtime's reference kernels infer it from inputs and constants.

    Raises:
        BadModel: RL-GRAPH-010, the runtime refuses the graph.
    """
    try:
        runtime = Interpreter(
            model_content=graph.content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        runtime.allocate_tensors()
    except (RuntimeError, ValueError) as trouble:
        raise _refused(graph, str(trouble).strip().splitlines()[-1]) from None
    shapes: dict[int, NDArray[np.int32]] = {}
    for tensor in graph.tensors:
        with contextlib.suppress(ValueError):  # a tensor that the runtime optimised away
            shapes[tensor.index] = runtime._get_tensor_details(tensor.index, 0)["shape"]

    def change(model: Any) -> None:
        for index, shape in shapes.items():
            table = model.subgraphs[0].tensors[index]
            table.shape = shape.tolist()
            if not isinstance(table.shapeSignature, list | np.ndarray) or -1 not in list(table.shapeSignature):
                table.shapeSignature = None

    return edited(graph, change)


def _signatures(model: Any) -> list[Any]:
    return [signature for signature in model.signatureDefs or [] if signature.subgraphIndex == 0]


def _constant(name: str, value: NDArray[Any], buffer: int) -> Any:
    tensor = schema.TensorT()
    tensor.name = name
    tensor.shape = list(value.shape)
    tensor.type = _TYPES[value.dtype.name]
    tensor.buffer = buffer
    tensor.hasRank = True
    return tensor


def _name(main: Any, op: int) -> str:
    name = main.tensors[main.operators[op].outputs[0]].name
    return name.decode(errors="replace") if isinstance(name, bytes) else str(name)


def _shape(graph: Graph, operand: Operand) -> tuple[int, ...] | None:
    op, position = operand
    inputs = graph.ops[op].inputs
    return graph.tensors[inputs[position]].shape if position < len(inputs) and inputs[position] >= 0 else None


def _shape_operands(graph: Graph, constants: Mapping[Operand, NDArray[Any]]) -> bool:
    """Whether an integer constant changes: those are shapes, axes and paddings."""
    return any(value.dtype.kind == "i" for value in constants.values())


def _follow(instead: Mapping[int, int], index: int) -> int:
    for _ in instead:
        index = instead.get(index, index)
    return index


def _refused(graph: Graph, why: str) -> BadModel:
    return BadModel(
        "RL-GRAPH-010",
        f"the graph with sha256 {graph.sha256[:12]} cannot be changed like this: {why}",
        hint="leave this step out of [recipe], or report the model",
    )
