"""How channels pass through each operation. One table; an operation that is not in it locks what it touches."""

from collections.abc import Callable

import numpy as np

from relens.compress.channels.layout import Ids, Layout, Shape, Walk
from relens.graph.tensor import Op

Rule = Callable[[Walk, Op], None]


def convolution(walk: Walk, op: Op) -> None:
    """CONV_2D: data, weights (out, h, w, in / groups), bias (out,)."""
    if not walk.is_constant(op.inputs[1]):
        return walk.stop(op, "its weights are computed")
    each = walk.shape(op.inputs[1])[3]
    read = walk.along(op.inputs[0], 3, "meets a convolution across its channel axis")
    made = walk.make(op, 3)
    if len(read) != each:  # grouped: every group keeps the same places, or they would not stay equal
        walk.channels.couple(read, len(read) // each)
        walk.channels.couple(made, len(read) // each)
    walk.slice(op, 1, 3, read[:each], "reads")
    walk.slice(op, 1, 0, made, "makes")
    return walk.slice(op, 2, 0, made, "makes")


def depthwise(walk: Walk, op: Op) -> None:
    """DEPTHWISE_CONV_2D: data, weights (1, h, w, in * multiplier), bias (in * multiplier,)."""
    if not walk.is_constant(op.inputs[1]):
        return walk.stop(op, "its weights are computed")
    read = walk.along(op.inputs[0], 3, "meets a convolution across its channel axis")
    made = np.repeat(read, walk.shape(op.inputs[1])[3] // len(read))
    walk.layouts[op.outputs[0]] = Layout(3, made)
    walk.slice(op, 1, 3, made, "rides")
    return walk.slice(op, 2, 0, made, "rides")


def transposed(walk: Walk, op: Op) -> None:
    """TRANSPOSE_CONV: output shape, weights (out, h, w, in), data, bias (out,)."""
    if not walk.is_constant(op.inputs[0]) or not walk.is_constant(op.inputs[1]):
        return walk.stop(op, "its weights or its shape are computed")
    read = walk.along(op.inputs[2], 3, "meets a convolution across its channel axis")
    made = walk.make(op, 3)
    walk.slice(op, 1, 3, read, "reads")
    walk.slice(op, 1, 0, made, "makes")
    walk.slice(op, 3, 0, made, "makes")
    return _shape(walk, op, 0, made, 3)


def dense(walk: Walk, op: Op) -> None:
    """FULLY_CONNECTED: data, weights (out, in), bias (out,); data of more than `in` last values is flattened."""
    if not walk.is_constant(op.inputs[1]):
        return walk.stop(op, "its weights are computed")
    size = walk.shape(op.inputs[1])[1]
    flat = reshaped(walk, op.inputs[0], (-1, size))
    if flat is None or flat.axis != 1:
        return walk.stop(op, "meets a dense layer across its channel axis")
    made = walk.make(op, len(walk.shape(op.outputs[0])) - 1)
    walk.slice(op, 1, 1, flat.ids, "reads")
    walk.slice(op, 1, 0, made, "makes")
    return walk.slice(op, 2, 0, made, "makes")


def passing(walk: Walk, op: Op) -> None:
    """One tensor in, the same channels out."""
    walk.layouts[op.outputs[0]] = walk.layout(op.inputs[0])


def elementwise(walk: Walk, op: Op) -> None:
    """ADD, MUL and their kin, with broadcasting: places are counted from the last dimension."""
    out = walk.shape(op.outputs[0])
    live = [tensor for tensor in op.inputs if not walk.is_constant(tensor)]
    if not live or not all(walk.shape(tensor) for tensor in live):
        return walk.stop(op, f"meets a lone number in {op.name}")
    places = {walk.layout(tensor).axis - len(walk.shape(tensor)) for tensor in live}
    place = min(places)
    wide = [walk.layout(tensor).ids for tensor in live if len(walk.layout(tensor).ids) == out[place]]
    if len(places) != 1 or not wide:
        return walk.stop(op, f"meets other channels in {op.name}")
    for tensor in live:
        ids = walk.layout(tensor).ids
        if len(ids) == len(wide[0]):
            walk.channels.join(wide[0], ids)
        else:
            walk.channels.lock(ids, "is spread over all channels")
    for position, tensor in enumerate(op.inputs):
        shape = walk.shape(tensor)
        if walk.is_constant(tensor) and len(shape) >= -place and shape[place] == out[place] > 1:
            walk.slice(op, position, len(shape) + place, wide[0], "rides")
    walk.layouts[op.outputs[0]] = Layout(len(out) + place, wide[0])
    return None


def concatenation(walk: Walk, op: Op) -> None:
    """CONCATENATION: along the channels they follow each other, along another axis they are tied."""
    rank = len(walk.shape(op.outputs[0]))
    axis = int(getattr(op.options, "axis", -1)) % rank
    found = [walk.layout(tensor) for tensor in op.inputs]
    if len({item.axis for item in found}) != 1:
        return walk.stop(op, "is joined to channels that lie along another axis")
    ids = found[0].ids
    if found[0].axis == axis:
        ids = np.concatenate([item.ids for item in found])
    else:
        for item in found[1:]:
            walk.channels.join(ids, item.ids)
    walk.layouts[op.outputs[0]] = Layout(found[0].axis, ids)
    return None


def split(walk: Walk, op: Op) -> None:
    """SPLIT: axis, data. Parts along the channels have to stay equal, so they keep the same places."""
    axis = walk.constant(op, 0)
    found = walk.layout(op.inputs[1])
    if axis is None:
        return walk.stop(op, "is split along a computed axis")
    parts = len(op.outputs)
    along = int(axis.reshape(-1)[0]) % len(walk.shape(op.inputs[1])) == found.axis
    if along:
        walk.channels.couple(found.ids, parts)
    for tensor, ids in zip(op.outputs, np.split(found.ids, parts) if along else [found.ids] * parts, strict=True):
        walk.layouts[tensor] = Layout(found.axis, ids)
    return None


def padding(walk: Walk, op: Op) -> None:
    """PAD, PADV2, MIRROR_PAD: data, paddings (rank, 2)."""
    amounts = walk.constant(op, 1)
    if amounts is None or amounts[walk.layout(op.inputs[0]).axis].any():
        return walk.stop(op, "is padded along the channels")
    return passing(walk, op)


def tiling(walk: Walk, op: Op) -> None:
    """TILE: data, multiples (rank,)."""
    multiples = walk.constant(op, 1)
    if multiples is None or multiples[walk.layout(op.inputs[0]).axis] != 1:
        return walk.stop(op, "is repeated along the channels")
    return passing(walk, op)


def reduction(walk: Walk, op: Op) -> None:
    """MEAN, SUM and their kin: data, axes."""
    axes = walk.constant(op, 1)
    found = walk.layout(op.inputs[0])
    rank = len(walk.shape(op.inputs[0]))
    gone = {int(axis) % rank for axis in axes.reshape(-1)} if axes is not None else {found.axis}
    if found.axis in gone:
        return walk.stop(op, f"is reduced over the channels by {op.name}")
    before = 0 if getattr(op.options, "keepDims", False) else sum(axis < found.axis for axis in gone)
    walk.layouts[op.outputs[0]] = Layout(found.axis - before, found.ids)
    return None


def reshape(walk: Walk, op: Op) -> None:
    """RESHAPE and what it stands for: data, shape."""
    shape = walk.shape(op.outputs[0])
    found = reshaped(walk, op.inputs[0], shape)
    computed = len(op.inputs) > 1 and not walk.is_constant(op.inputs[1])
    if found is None or computed:
        return walk.stop(op, "is reshaped so that channels mix with places")
    walk.layouts[op.outputs[0]] = found
    return _shape(walk, op, 1, found.ids, found.axis)


def squeeze(walk: Walk, op: Op) -> None:
    """SQUEEZE, EXPAND_DIMS: no shape to change."""
    found = reshaped(walk, op.inputs[0], walk.shape(op.outputs[0]))
    if found is None:
        return walk.stop(op, "is reshaped so that channels mix with places")
    walk.layouts[op.outputs[0]] = found
    return None


def transpose(walk: Walk, op: Op) -> None:
    """TRANSPOSE: data, permutation."""
    order = walk.constant(op, 1)
    if order is None:
        return walk.stop(op, "is transposed by a computed permutation")
    found = walk.layout(op.inputs[0])
    walk.layouts[op.outputs[0]] = Layout(order.reshape(-1).tolist().index(found.axis), found.ids)
    return None


def normalisation(walk: Walk, op: Op) -> None:
    """SOFTMAX, L2_NORMALIZATION: every channel along the last axis depends on all."""
    if walk.layout(op.inputs[0]).axis == len(walk.shape(op.inputs[0])) - 1:
        return walk.stop(op, f"is normalised over the channels by {op.name}")
    return passing(walk, op)


def reshaped(walk: Walk, tensor: int, shape: tuple[int, ...]) -> Layout | None:
    """Where a tensor's channels lie after a reshape; None where they no longer lie along one axis alone."""
    found = walk.layout(tensor)
    old = walk.shape(tensor)
    along = [1] * len(old)
    along[found.axis] = -1
    places = np.broadcast_to(found.ids.reshape(along), old).reshape(shape)
    for axis in reversed(range(places.ndim)):
        lines = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
        if (len(lines) > 1 or len(found.ids) == 1) and (lines == lines[:, :1]).all():
            return Layout(axis, lines[:, 0].copy())
    return None


def _shape(walk: Walk, op: Op, operand: int, ids: Ids, entry: int) -> None:
    walk.shapes.append(Shape(op.index, operand, walk.shape(op.outputs[0]), entry, ids))


# fmt: off
ONE_TO_ONE = (
    "ABS", "CAST", "CEIL", "COS", "ELU", "EXP", "FLOOR", "GELU", "HARD_SWISH", "LEAKY_RELU", "LOG", "LOGISTIC",
    "NEG", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND", "RSQRT", "SIGN", "SIN", "SQRT", "SQUARE",
    "TANH", "AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D", "RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR",
)
# fmt: on
TWO_TO_ONE = ("ADD", "SUB", "MUL", "DIV", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "POW", "PRELU", "ADD_N")

RULES: dict[str, Rule] = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": dense,
    "CONCATENATION": concatenation,
    "SPLIT": split,
    "PAD": padding,
    "PADV2": padding,
    "MIRROR_PAD": padding,
    "TILE": tiling,
    "RESHAPE": reshape,
    "SQUEEZE": squeeze,
    "EXPAND_DIMS": squeeze,
    "TRANSPOSE": transpose,
    "SOFTMAX": normalisation,
    "LOG_SOFTMAX": normalisation,
    "L2_NORMALIZATION": normalisation,
    **dict.fromkeys(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"), reduction),
    **dict.fromkeys(ONE_TO_ONE, passing),
    **dict.fromkeys(TWO_TO_ONE, elementwise),
}
"""Every operation that channels can pass; add one here with a rule above."""
