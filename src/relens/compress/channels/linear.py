"""Convolutions and dense layers as what they are: rows of inputs times a matrix.

Every such operation is `parts` products side by side, X (parts, rows, F) times W (parts, F, O): one for CONV_2D,
FULLY_CONNECTED and TRANSPOSE_CONV, one a group for grouped convolutions, one a channel for depthwise ones. F counts
the values under the kernel; its order is the weights' own (height, width, channel).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relens.compress.channels.layout import Ids
from relens.graph import Graph, Op
from relens.graph.tensor import DATA_POSITION

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class Linear:
    """One linear operation of a graph.

    Attributes:
        op: its index.
        kind: its name.
        weights: as stored.
        bias: (outputs,) float32; zeros where it has none.
        bias_operand: the position of the bias among its inputs.
        data: the tensor that it reads.
        in_shape: that tensor's shape. out_shape: its output's.
        options: strides, dilation and padding.
    """

    op: int
    kind: str
    weights: NDArray[np.float32] = field(repr=False)
    bias: NDArray[np.float32] = field(repr=False)
    bias_operand: int
    data: int
    in_shape: tuple[int, ...]
    out_shape: tuple[int, ...]
    options: Any = field(repr=False)

    @property
    def parts(self) -> int:
        """How many products stand side by side."""
        if self.kind == "DEPTHWISE_CONV_2D":
            return int(self.in_shape[3])
        return int(self.in_shape[3] // self.weights.shape[3]) if self.kind == "CONV_2D" else 1

    @property
    def has_bias_row(self) -> bool:
        """Whether the bias is one more row of the matrix; where outputs overlap it is not."""
        return self.kind != "TRANSPOSE_CONV"

    @property
    def total_rows(self) -> int:
        """How many rows one picture gives."""
        if self.kind == "FULLY_CONNECTED":
            return int(np.prod(self.in_shape) // self.weights.shape[1])
        shape = self.in_shape if self.kind == "TRANSPOSE_CONV" else self.out_shape
        return shape[1] * shape[2]

    @property
    def matrix(self) -> NDArray[np.float64]:
        """The weights as (parts, F, O)."""
        w = self.weights.astype(np.float64)
        if self.kind == "FULLY_CONNECTED":
            return w.T[None]
        if self.kind == "TRANSPOSE_CONV":
            return w.reshape(-1, w.shape[3]).T[None]
        if self.kind == "DEPTHWISE_CONV_2D":
            return w.reshape(-1, self.parts, w.shape[3] // self.parts).transpose(1, 0, 2)
        return w.reshape(self.parts, w.shape[0] // self.parts, -1).transpose(0, 2, 1)

    @property
    def outputs(self) -> Ids:
        """The output channel of each column, (parts, O) int64."""
        if self.kind == "TRANSPOSE_CONV":
            return np.repeat(np.arange(self.weights.shape[0]), int(np.prod(self.weights.shape[1:3])))[None]
        return np.arange(len(self.bias)).reshape(self.parts, -1)

    def stored(self, matrix: NDArray[Any]) -> NDArray[np.float32]:
        """A matrix (parts, F, O) as weights in the file's layout; the number of outputs may differ."""
        w = self.weights
        if self.kind == "FULLY_CONNECTED":
            found = matrix[0].T
        elif self.kind == "TRANSPOSE_CONV":
            found = matrix[0].T.reshape(-1, *w.shape[1:3], matrix.shape[1])
        elif self.kind == "DEPTHWISE_CONV_2D":
            found = matrix.transpose(1, 0, 2).reshape(1, *w.shape[1:3], -1)
        else:
            found = matrix.transpose(0, 2, 1).reshape(-1, *w.shape[1:3], matrix.shape[1] // (w.shape[1] * w.shape[2]))
        return np.ascontiguousarray(found, np.float32)

    def features(self, channels: Ids) -> Ids:
        """What stands at each feature, (F,), given what stands at each position of the weights' input axis.

        For a depthwise operation, whose features are all one channel, nothing stands anywhere: -1.
        """
        if self.kind == "DEPTHWISE_CONV_2D":
            return np.full(self.weights.shape[1] * self.weights.shape[2], -1)
        return np.tile(channels, self.weights.shape[1] * self.weights.shape[2]) if self.kind == "CONV_2D" else channels

    def rows(self, data: Rows, where: Ids) -> Rows:
        """What the matrix is multiplied with at some places: (parts, len(where), F)."""
        if self.kind == "FULLY_CONNECTED":
            return data.reshape(1, -1, self.weights.shape[1])[:, where]
        if self.kind == "TRANSPOSE_CONV":
            return data.reshape(1, -1, data.shape[3])[:, where]
        found = self._patches(data[0], where)
        count, height, width, channels = found.shape
        each = channels // self.parts
        found = found.reshape(count, height * width, self.parts, each).transpose(2, 0, 1, 3)
        return np.asarray(found.reshape(self.parts, count, -1))

    def _patches(self, picture: Rows, where: Ids) -> Rows:
        """(places, kernel height, kernel width, channels) out of (H, W, C), zeros beyond the edge."""
        o = self.options
        steps, spread = (o.strideH, o.strideW), (o.dilationHFactor, o.dilationWFactor)
        starts = np.unravel_index(where, self.out_shape[1:3])
        lines, ends = [], []
        for axis in (0, 1):
            reach = (self.weights.shape[axis + 1] - 1) * spread[axis] + 1
            missing = max((self.out_shape[axis + 1] - 1) * steps[axis] + reach - picture.shape[axis], 0)
            before = missing // 2 if o.padding == 0 else 0
            ends.append((before, missing - before))
            lines.append(starts[axis][:, None] * steps[axis] + np.arange(0, reach, spread[axis]))
        padded = np.pad(picture, (*ends, (0, 0))) if any(map(any, ends)) else picture
        return np.asarray(padded[lines[0][:, :, None], lines[1][:, None, :]])


def linear(graph: Graph, op: Op) -> Linear | None:
    """An operation as a matrix; None where it is not linear, or its weights are not constants of float32."""
    if op.name not in DATA_POSITION or not graph.tensors[op.inputs[1]].constant:
        return None
    data = DATA_POSITION[op.name]
    last = data + (2 if data == 0 else 1)  # the bias comes after data and weights
    weights = graph.tensors[op.inputs[1]]
    if weights.dtype != "float32":
        return None
    stored = graph.constant(weights)
    outputs = stored.shape[3] if op.name == "DEPTHWISE_CONV_2D" else stored.shape[0]
    has_bias = last < len(op.inputs) and op.inputs[last] >= 0
    return Linear(
        op=op.index,
        kind=op.name,
        weights=stored,
        bias=graph.constant(graph.tensors[op.inputs[last]]) if has_bias else np.zeros(outputs, np.float32),
        bias_operand=last,
        data=op.inputs[data],
        in_shape=graph.tensors[op.inputs[data]].shape,
        out_shape=graph.tensors[op.outputs[0]].shape,
        options=op.options,
    )
