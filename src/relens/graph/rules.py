"""What a graph must be, to run on a camera or to be called an integer graph."""

from collections.abc import Iterator
from dataclasses import dataclass

from relens.graph.graph import Graph
from relens.graph.tensor import Op, Tensor

VARIABLE_OPS = frozenset({"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"})
# Custom operations that the LiteRT runtime brings along.
KNOWN_CUSTOM_OPS = frozenset({"TFLite_Detection_PostProcess", "AudioSpectrogram", "Mfcc", "NumericVerify"})


@dataclass(frozen=True)
class Finding:
    """Something in a graph that an import has to refuse or to mention.

    Attributes:
        code: the error code to refuse it with.
        message: what was found, naming operations and tensors.
        hint: what to do about it.
        fatal: the graph cannot run, or would run and give nonsense.
    """

    code: str
    message: str
    hint: str
    fatal: bool

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def findings(graph: Graph) -> tuple[Finding, ...]:
    """What stands between this graph and a camera: lost weights, foreign operations, open dimensions."""
    return (*_lost_weights(graph), *_foreign_ops(graph), *_open_dimensions(graph))


def float_tensors(graph: Graph) -> tuple[str, ...]:
    """Names of the tensors still in floating point; none means that the graph is truly integer.

    Tensors that no operation, input or output refers to do not count.
    """
    used = {index for op in graph.ops for index in (*op.inputs, *op.outputs)}
    used |= {tensor.index for tensor in (*graph.inputs, *graph.outputs)}
    return tuple(
        tensor.tensor_name
        for tensor in graph.tensors
        if tensor.index in used and tensor.dtype.startswith(("float", "bfloat"))
    )


def _lost_weights(graph: Graph) -> Iterator[Finding]:
    ops = [op for op in graph.ops if op.name in VARIABLE_OPS]
    orphans = _orphans(graph)
    hint = "export the model as a SavedModel and convert that: relens convert SAVED_MODEL"
    if ops:
        yield Finding(
            "RL-GRAPH-006",
            f"{len(ops)} operations read variables that the file does not hold ({_first(ops)}): "
            "its conversion lost the weights",
            hint,
            fatal=True,
        )
    if orphans:
        names = ", ".join(tensor.tensor_name for tensor in orphans[:3])
        yield Finding(
            "RL-GRAPH-006",
            f"{len(orphans)} tensors have no data and nothing computes them ({names})",
            hint,
            fatal=True,
        )


def _orphans(graph: Graph) -> list[Tensor]:
    fed = {index for op in graph.ops for index in op.outputs} | {tensor.index for tensor in graph.inputs}
    read = {index for op in graph.ops for index in op.inputs if index >= 0}
    read |= {tensor.index for tensor in graph.outputs}
    tensors = (graph.tensors[index] for index in sorted(read - fed))
    return [tensor for tensor in tensors if not tensor.constant and not tensor.variable]


def _foreign_ops(graph: Graph) -> Iterator[Finding]:
    flex = [op for op in graph.ops if op.custom and op.name.startswith("Flex")]
    custom = [op for op in graph.ops if op.custom and op not in flex and op.name not in KNOWN_CUSTOM_OPS]
    if flex:
        yield Finding(
            "RL-GRAPH-007",
            f"{len(flex)} operations need TensorFlow itself at run time ({_first(flex)})",
            "replace them by plain layers and export again, or cut them off: relens convert --outputs NAMES",
            fatal=True,
        )
    if custom:
        yield Finding(
            "RL-GRAPH-007",
            f"{len(custom)} custom operations that no engine here knows ({_first(custom)})",
            "replace them by plain layers and export again, or cut them off: relens convert --outputs NAMES",
            fatal=True,
        )


def _open_dimensions(graph: Graph) -> Iterator[Finding]:
    for tensor in graph.inputs:
        if tensor.open_dimensions:
            yield Finding(
                "RL-GRAPH-008",
                f"input {tensor} leaves dimensions {list(tensor.open_dimensions)} open",
                "fix them: [input] size in relens.toml, then relens convert",
                fatal=tensor.open_dimensions != (0,),  # an open batch runs as a batch of one
            )


def _first(ops: list[Op]) -> str:
    """The distinct operations among these, three at most, each with where it first stands."""
    where = {op.name: op.index for op in reversed(ops)}
    return ", ".join(f"{name} at op {index}" for name, index in sorted(where.items(), key=lambda i: i[1])[:3])
