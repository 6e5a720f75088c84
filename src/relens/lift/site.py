"""One operation on its way into Keras: its operands, its options, and what a rule may ask of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from keras import ops
from numpy.typing import NDArray

from relens.graph import Op, Tensor
from relens.lift.layers import KernelLayer

Value = Any
"""A numpy constant, or a `keras.KerasTensor` that holds the graph's tensor for every picture, one picture after the
other along the first axis: (N * a, b, c) for the graph's (a, b, c). Mostly a is 1, and the first axis is the batch."""

ACTIVATIONS: dict[int, Callable[[Value], Value] | None] = {
    schema.ActivationFunctionType.NONE: None,
    schema.ActivationFunctionType.RELU: ops.relu,
    schema.ActivationFunctionType.RELU_N1_TO_1: lambda x: ops.clip(x, -1.0, 1.0),
    schema.ActivationFunctionType.RELU6: ops.relu6,
    schema.ActivationFunctionType.TANH: ops.tanh,
}


class Unliftable(Exception):
    """Why an operation cannot be expressed in Keras on a batch of pictures."""


@dataclass(frozen=True)
class Additions:
    """What training adds to the plain lifted graph; each may answer None, for nothing.

    kernel: operation -> layer that the kernel passes through before use (fake quantization).
    linear: operation, output channels -> layer between the linear part and its activation (normalization).
    tensor: tensor -> layer that the finished tensor passes through (fake quantization).
    entry: the same for the model's inputs, the graph's and results of kept operations; `tensor` where left out.
    """

    kernel: Callable[[Op], KernelLayer | None] = lambda op: None
    linear: Callable[[Op, int], keras.layers.Layer | None] = lambda op, channels: None
    tensor: Callable[[Tensor], keras.layers.Layer | None] = lambda tensor: None
    entry: Callable[[Tensor], keras.layers.Layer | None] | None = None


@dataclass(frozen=True)
class Site:
    """One operation, with what its operands have become.

    inputs: an operand left out is None. A constant is a numpy array, its first axis not a batch.
    tensors: the operands' and the results' shapes and names in the graph, where the batch is 1.
    """

    op: Op
    inputs: tuple[Value, ...]
    tensors: tuple[Tensor | None, ...]
    results: tuple[Tensor, ...]
    additions: Additions
    blocks: "dict[int, Block]" = field(repr=False)

    @property
    def options(self) -> Any:
        """The schema's option table of this operation."""
        return self.op.options

    def constant(self, position: int) -> NDArray[Any]:
        """An operand that has to be constant."""
        value = self.inputs[position]
        if not isinstance(value, np.ndarray):
            raise Unliftable(f"operand {position} is computed, not constant")
        return value

    def integers(self, position: int) -> list[int]:
        """A constant operand as whole numbers."""
        return [int(number) for number in self.constant(position).reshape(-1)]

    def data(self, position: int = 0) -> Value:
        """An operand that has to be computed: weights are trained for data only."""
        value = self.inputs[position]
        if value is None or isinstance(value, np.ndarray):
            raise Unliftable(f"operand {position} is constant")
        return value

    def broadcast(self, function: Callable[..., Value], inner: int = 0) -> Value:
        """The function of all operands, which broadcast picture by picture; `inner` last axes are its own."""
        shapes = [tensor.shape for tensor in self.tensors if tensor is not None]
        rank, result = max(map(len, shapes)), self.results[0].shape
        if rank > inner and all(
            (len(shape) < rank or shape[0] == 1)
            if isinstance(value, np.ndarray)
            else len(shape) == rank and shape[0] == result[0]
            for value, shape in zip(self.inputs, shapes, strict=True)
        ):
            return function(*self.inputs)
        if all(isinstance(value, np.ndarray) for value in self.inputs):
            return function(*self.inputs)
        return ops.reshape(function(*self._pictures(shapes, rank)), (-1, *result[1:]))

    def _pictures(self, shapes: list[tuple[int, ...]], rank: int) -> list[Value]:
        """The operands with an axis of pictures in front of the graph's shape, filled up to rank; constants bare."""
        return [
            value if isinstance(value, np.ndarray) else ops.reshape(value, (-1, *(1,) * (rank - len(shape)), *shape))
            for value, shape in zip(self.inputs, shapes, strict=True)
        ]

    def axis(self, number: int, position: int = 0) -> int:
        """An axis of an operand, counted from the front; never the batch's, unless the operand is constant."""
        rank = len(self.inputs[position].shape)
        axis = number % rank if rank else 0
        if axis == 0 and not isinstance(self.inputs[position], np.ndarray):
            raise Unliftable("it works along the batch")
        return axis

    def typed(self, value: Value, result: int = 0) -> Value:
        """The value in a result's element type; JAX counts in 32 bits."""
        dtype = self.results[result].dtype
        return ops.cast(value, "int32" if dtype == "int64" and keras.backend.backend() == "jax" else dtype)

    def activated(self, value: Value) -> Value:
        """The value behind the activation fused into this operation."""
        code = getattr(self.options, "fusedActivationFunction", 0)
        if code not in ACTIVATIONS:
            raise Unliftable(f"activation {code} is unknown")
        function = ACTIVATIONS[code]
        return value if function is None else function(value)


@dataclass(frozen=True)
class Block:
    """The trained part of one operation: its layer, and the normalization put behind it."""

    layer: Any
    normalization: Any | None

    def operands(self) -> dict[int, NDArray[np.float32]]:
        """Operand position -> constant in the graph's layout, normalization folded in."""
        if self.normalization is None:
            return dict(self.layer.operands())
        return dict(self.layer.operands(*self.normalization.affine()))


Rule = Callable[[Site], Any]
"""Gives the result, or a tuple of results; raises `Unliftable`."""
