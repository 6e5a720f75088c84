"""A float graph as a Keras functional model, op for op, and back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from relens.errors import BadModel
from relens.graph import Graph, Op, Tensor
from relens.graph.edit import inner_names, with_operands
from relens.lift.ops import RULES
from relens.lift.site import Additions, Block, Site, Unliftable, Value


@dataclass(frozen=True)
class Kept:
    """An operation that Keras cannot say: it stays in the graph as it is.

    The model ends at its operands, which become outputs, and starts again at its results, which become inputs.
    """

    op: Op
    reason: str

    def __str__(self) -> str:
        return f"{self.op.name} (op {self.op.index}): {self.reason}"


@dataclass(frozen=True, repr=False)
class Lifted:
    """A graph's Keras model.

    Attributes:
        graph: what was lifted.
        model: inputs and outputs are dicts by `graph.edit.inner_names`, (N * a, ...) for the graph's (a, ...): one
            picture after the other. The inputs are the graph's, then the results of kept operations that fit into a
            batch and are read by what is in the model; the outputs are the graph's, then what kept operations read.
        blocks: operation index -> its trained layers.
        kept: operations that are not in the model, in order of execution.
        fed: the inputs beyond the graph's own, by name in order of execution: results of kept operations.
    """

    graph: Graph
    model: keras.Model
    blocks: Mapping[int, Block]
    kept: tuple[Kept, ...] = field(default=())
    fed: Mapping[str, Tensor] = field(default_factory=dict)

    def __repr__(self) -> str:
        trained = sum(int(np.prod(weight.shape)) for weight in self.model.trainable_variables)
        lines = [f"Lifted({len(self.graph.ops)} ops, {len(self.blocks)} with weights, {trained:,} trained numbers)"]
        return "\n".join(lines + [f"  kept  {kept}" for kept in self.kept[:8]])


def lift(graph: Graph, additions: Additions | None = None) -> Lifted:
    """Make a trainable Keras model of a float graph.

    Args:
        graph: float, each input with a batch of 1 in front.
        additions: layers that training puts in between.

    Raises:
        BadModel: RL-LIFT-001 when the graph has no batch in front or no weights that can be trained.
    """
    walk = _Walk(graph, additions or Additions())
    for op in graph.ops:
        walk.visit(op)
    if not walk.blocks:
        raise _unliftable(graph, "it has no weights that can be trained")
    model = keras.Model(walk.starts(), walk.exits(), name="lifted")
    return Lifted(graph, model, dict(walk.blocks), tuple(walk.kept), walk.fed())


def lower(lifted: Lifted, *, onto: Graph | None = None) -> Graph:
    """The graph with the model's weights, normalization folded in: the same operations in the same order.

    Args:
        lifted: the model.
        onto: a graph with the same operations, if it is not the lifted one (which may have inner tensors as outputs).

    Raises:
        BadModel: RL-LIFT-002 when training has left NaN or infinity in a weight.
    """
    constants = {
        (op, position): value for op, block in lifted.blocks.items() for position, value in block.operands().items()
    }
    for (op, _), value in constants.items():
        if not np.isfinite(value).all():
            raise BadModel(
                "RL-LIFT-002",
                f"the weights of {lifted.graph.ops[op].name} (op {op}) hold NaN or infinity after training",
                hint="train with a lower learning rate",
            )
    return with_operands(onto or lifted.graph, constants)


_KINDS = {"float32": "f", "bool": "b", **dict.fromkeys(("int8", "uint8", "int16", "int32", "int64"), "i")}
_WITHOUT_BATCH = "which has no place in a batch of pictures"


class _Walk:
    """From operation to operation in order of execution; what each tensor has become."""

    def __init__(self, graph: Graph, additions: Additions) -> None:
        self.graph, self.additions = graph, additions
        self.blocks: dict[int, Block] = {}
        self.kept: list[Kept] = []
        self.entries: dict[int, Any] = {}
        self.read: set[int] = set()
        self.cuts: list[int] = []
        self.values: dict[int, Value] = {}
        self.names = inner_names(graph)
        for tensor in graph.inputs:
            if not tensor.shape or tensor.shape[0] != 1:
                raise _unliftable(graph, f"input `{tensor.name}` {tensor.shape} has no batch of 1 in front")
            self._enter(tensor)

    def visit(self, op: Op) -> None:
        operands = tuple(self.graph.tensors[index] if index >= 0 else None for index in op.inputs)
        try:
            self._lift(op, operands)
        except Unliftable as reason:
            self._keep(op, str(reason))

    def starts(self) -> dict[str, Value]:
        """The model's inputs: the graph's, and those results of kept operations that something in the model reads."""
        wanted = {tensor.index for tensor in self.graph.inputs} | self.read
        return {self.names[index]: entry for index, entry in self.entries.items() if index in wanted}

    def fed(self) -> dict[str, Tensor]:
        """The inputs that are not the graph's."""
        own = {tensor.index for tensor in self.graph.inputs}
        return {self.names[index]: self.graph.tensors[index] for index in self.entries if index in self.read - own}

    def exits(self) -> dict[str, Value]:
        """The model's outputs: the graph's, and what kept operations read, but for what enters the model."""
        wanted = {tensor.name: tensor.index for tensor in self.graph.outputs}
        wanted |= {self.names[index]: index for index in self.cuts}
        entering = {id(self.values[index]) for index in self.entries}
        found = {name: self.values[index] for name, index in wanted.items() if index in self.values}
        return {
            name: value
            for name, value in found.items()
            if not isinstance(value, np.ndarray) and id(value) not in entering
        }

    def _lift(self, op: Op, operands: tuple[Tensor | None, ...]) -> None:
        rule = RULES.get(op.name)
        if rule is None or op.custom:
            raise Unliftable("no rule for it")
        results = tuple(self.graph.tensors[index] for index in op.outputs)
        inputs = tuple(None if tensor is None else self._value(tensor) for tensor in operands)
        constant = all(value is None or isinstance(value, np.ndarray) for value in inputs) or op.name == "SHAPE"
        made = rule(Site(op, inputs, operands, results, self.additions, self.blocks))
        values = made if isinstance(made, tuple) else (made,)
        for tensor, value in zip(results, values, strict=True):
            self.values[tensor.index] = self._checked(tensor, value, constant=constant)
        if not constant:
            self.read.update(op.inputs)

    def _checked(self, tensor: Tensor, value: Value, *, constant: bool) -> Value:
        if constant:
            folded = np.asarray(keras.ops.convert_to_numpy(value))
            return folded.astype(tensor.dtype, copy=False)
        if tuple(value.shape[1:]) != tensor.shape[1:]:
            raise Unliftable(f"it gives {tuple(value.shape)} where the graph has {tensor.shape}")
        if _KINDS.get(keras.backend.standardize_dtype(value.dtype)) != _KINDS.get(tensor.dtype):
            raise Unliftable(f"it gives {value.dtype} where the graph has {tensor.dtype}")
        if value.sparse:  # what Keras 3 mistakes the product with a constant for
            value = keras.ops.convert_to_tensor(value, sparse=False)
        layer = self.additions.tensor(tensor)
        return value if layer is None else layer(value)

    def _keep(self, op: Op, reason: str) -> None:
        self.kept.append(Kept(op, reason))
        self.blocks.pop(op.index, None)
        for index in op.inputs:
            if index >= 0 and not self.graph.tensors[index].constant:
                self.cuts.append(index)
        for tensor in (self.graph.tensors[index] for index in op.outputs):
            if not tensor.open_dimensions:  # else its size is known at run time only
                self._enter(tensor)

    def _enter(self, tensor: Tensor) -> None:
        if not tensor.shape or tensor.dtype not in _KINDS:
            return  # no first axis to put pictures along, or nothing Keras can hold
        name = self.names[tensor.index]
        entry = keras.Input(batch_shape=(None, *tensor.shape[1:]), dtype=tensor.dtype, name=_keras_name(name))
        entry.name = name  # Keras wants the keys of the inputs here, and no slashes above
        self.entries[tensor.index] = entry
        layer = (self.additions.entry or self.additions.tensor)(tensor)
        self.values[tensor.index] = entry if layer is None else layer(entry)

    def _value(self, tensor: Tensor) -> Value:
        if tensor.index not in self.values:
            if not tensor.constant:
                raise Unliftable(f"it reads `{self.names[tensor.index]}`, {_WITHOUT_BATCH}")
            self.values[tensor.index] = self.graph.constant(tensor)
        return self.values[tensor.index]


def _keras_name(name: str) -> str:
    return name.replace("/", ".").replace(":", ".")


def _unliftable(graph: Graph, why: str) -> BadModel:
    return BadModel(
        "RL-LIFT-001",
        f"the graph with sha256 {graph.sha256[:12]} cannot be trained: {why}",
        hint="quantization still works: leave training out of [recipe]",
    )


def listed(kept: Iterable[Kept]) -> str:
    """Kept operations by name, with how often and why."""
    reasons: dict[tuple[str, str], int] = {}
    for one in kept:
        reasons[one.op.name, one.reason] = reasons.get((one.op.name, one.reason), 0) + 1
    return "; ".join(f"{count} x {name} ({reason})" for (name, reason), count in reasons.items()) or "none"
