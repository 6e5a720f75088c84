"""Operations that move numbers and leave them as they are. The batch stays in front."""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from keras import ops

from relens.lift.site import Rule, Site, Unliftable, Value


def reshape(site: Site) -> Value:
    """Whatever the graph's result is, with the batch in front: windows cut out of a picture multiply it."""
    shape = site.results[0].shape
    if not shape:
        raise Unliftable("a scalar has no batch")
    return ops.reshape(site.inputs[0], shape if isinstance(site.inputs[0], np.ndarray) else (-1, *shape[1:]))


def transpose(site: Site) -> Value:
    """Any order that leaves the batch in front."""
    order = site.integers(1)
    if order[0] != 0 and not isinstance(site.inputs[0], np.ndarray):
        raise Unliftable("it moves the batch")
    return ops.transpose(site.inputs[0], order)


def concatenation(site: Site) -> Value:
    """Along any axis but the batch's; constants are repeated for each picture."""
    position = next((p for p, value in enumerate(site.inputs) if not isinstance(value, np.ndarray)), 0)
    axis = site.axis(site.options.axis, position)
    return site.activated(ops.concatenate(_repeated(site, position), axis=axis))


def pack(site: Site) -> Value:
    """Along a new axis behind the batch's."""
    position = next((p for p, value in enumerate(site.inputs) if not isinstance(value, np.ndarray)), 0)
    rank = len(site.inputs[position].shape) + 1
    axis = site.options.axis % rank
    if axis == 0 and not isinstance(site.inputs[position], np.ndarray):
        raise Unliftable("it stacks in front of the batch")
    return ops.stack(_repeated(site, position), axis=axis)


def pad(site: Site) -> Value:
    """Operands: data, paddings, and the value padded with, else 0."""
    value = site.constant(2).item() if len(site.inputs) > 2 else 0
    return ops.pad(site.inputs[0], _paddings(site), mode="constant", constant_values=value)


def mirror_pad(site: Site) -> Value:
    """Mirrored with or without the edge itself."""
    mode: Any = "reflect" if site.options.mode == schema.MirrorPadMode.REFLECT else "symmetric"
    x = site.inputs[0]
    for axis, around in enumerate(_paddings(site)):
        if any(around):
            x = ops.take(x, np.pad(np.arange(x.shape[axis]), around, mode=mode), axis=axis)
    return x


def _paddings(site: Site) -> list[list[int]]:
    paddings = site.constant(1).tolist()
    if any(paddings[0]) and not isinstance(site.inputs[0], np.ndarray):
        raise Unliftable("it pads the batch")
    return [[int(before), int(after)] for before, after in paddings]


def tile(site: Site) -> Value:
    """Repeats along axes other than the batch's."""
    repeats = site.integers(1)
    if repeats[0] != 1 and not isinstance(site.inputs[0], np.ndarray):
        raise Unliftable("it repeats the batch")
    return ops.tile(site.inputs[0], repeats)


def broadcast_to(site: Site) -> Value:
    """To the result's shape, the batch aside."""
    x, shape = site.inputs[0], site.results[0].shape
    if isinstance(x, np.ndarray):
        return np.broadcast_to(x, shape)
    mine = site.tensors[0].shape if site.tensors[0] is not None else ()
    if len(mine) != len(shape) or mine[0] != shape[0]:
        raise Unliftable("it broadcasts along the batch")
    return ops.tile(x, [wanted // size for wanted, size in zip(shape, mine, strict=True)])


def expand_dims(site: Site) -> Value:
    """A new axis of size 1 behind the batch's."""
    x = site.inputs[0]
    axis = site.integers(1)[0] % (len(x.shape) + 1)
    if axis == 0 and not isinstance(x, np.ndarray):
        raise Unliftable("it adds an axis in front of the batch")
    return ops.expand_dims(x, axis)


def squeeze(site: Site) -> Value:
    """Without axes of size 1; an empty list means all of them, the batch among them."""
    x = site.inputs[0]
    axes = [int(number) for number in site.options.squeezeDims] if site.options.squeezeDims is not None else []
    if isinstance(x, np.ndarray):
        return np.squeeze(x, tuple(axes) or None)
    if not axes:
        raise Unliftable("it removes the batch")
    return ops.squeeze(x, tuple(site.axis(number) for number in axes))


def depth_to_space(site: Site) -> Value:
    """Channels to blocks of pixels."""
    x, block = site.data(), site.options.blockSize
    _, height, width, channels = x.shape
    out = channels // block**2
    x = ops.reshape(x, (-1, height, width, block, block, out))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height * block, width * block, out))


def space_to_depth(site: Site) -> Value:
    """Blocks of pixels to channels."""
    x, block = site.data(), site.options.blockSize
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height // block, block, width // block, block, channels))
    shape = (-1, height // block, width // block, block * block * channels)
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), shape)


def space_to_batch_nd(site: Site) -> Value:
    """Every b-th pixel to a picture of its own, as old dilated convolutions do."""
    (rows, columns), x = _blocks(site), site.data()
    pictures = site.results[0].shape[0] // (rows * columns)
    x = ops.pad(x, [[0, 0], *site.constant(2).tolist(), [0, 0]])
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, pictures, height // rows, rows, width // columns, columns, channels))
    x = ops.transpose(x, (0, 3, 5, 1, 2, 4, 6))
    return ops.reshape(x, (-1, height // rows, width // columns, channels))


def batch_to_space_nd(site: Site) -> Value:
    """The way back."""
    (rows, columns), x = _blocks(site), site.data()
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, rows, columns, site.results[0].shape[0], height, width, channels))
    x = ops.reshape(ops.transpose(x, (0, 3, 4, 1, 5, 2, 6)), (-1, height * rows, width * columns, channels))
    (top, bottom), (left, right) = site.constant(2).tolist()
    return x[:, top : height * rows - bottom, left : width * columns - right, :]


def _blocks(site: Site) -> list[int]:
    blocks = site.integers(1)
    if len(blocks) != 2:
        raise Unliftable(f"its blocks have {len(blocks)} dimensions")
    return blocks


def shape_(site: Site) -> Value:
    """Known, since only the batch is open, and the graph's is 1."""
    tensor = site.tensors[0]
    if tensor is None:
        raise Unliftable("it has no operand")
    return np.array(tensor.shape, np.dtype(site.results[0].dtype))


def fill(site: Site) -> Value:
    """A constant of one value."""
    return np.full(site.integers(0), site.constant(1))


def dequantize(site: Site) -> Value:
    """Constants stored as float16."""
    if site.constant(0).dtype != np.float16:
        raise Unliftable("it is part of a quantized graph")
    return site.constant(0).astype(np.float32)


def _repeated(site: Site, position: int) -> list[Value]:
    """The operands, constants repeated for each picture of the batch of operand `position`."""
    like = site.inputs[position]
    if isinstance(like, np.ndarray):
        return list(site.inputs)
    every = ops.all(ops.equal(like, like), axis=tuple(range(1, len(like.shape))), keepdims=True)
    made = []
    for value in site.inputs:
        if isinstance(value, np.ndarray):
            if value.shape[0] != 1:
                raise Unliftable("a constant differs along the batch")
            value = ops.where(every, value, value)  # noqa: PLW2901
        made.append(value)
    return made


RULES: dict[str, Rule] = {
    "RESHAPE": reshape,
    "TRANSPOSE": transpose,
    "CONCATENATION": concatenation,
    "PACK": pack,
    "PAD": pad,
    "PADV2": pad,
    "MIRROR_PAD": mirror_pad,
    "TILE": tile,
    "BROADCAST_TO": broadcast_to,
    "EXPAND_DIMS": expand_dims,
    "SQUEEZE": squeeze,
    "DEPTH_TO_SPACE": depth_to_space,
    "SPACE_TO_DEPTH": space_to_depth,
    "SPACE_TO_BATCH_ND": space_to_batch_nd,
    "BATCH_TO_SPACE_ND": batch_to_space_nd,
    "SHAPE": shape_,
    "FILL": fill,
    "DEQUANTIZE": dequantize,
}
