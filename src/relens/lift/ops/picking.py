"""Operations that pick parts of a tensor. Every picture of the batch is kept."""

from typing import Any

import numpy as np
from keras import ops

from relens.lift.site import Rule, Site, Unliftable, Value


def unpack(site: Site) -> tuple[Value, ...]:
    """Along any axis but the batch's."""
    return tuple(ops.unstack(site.inputs[0], site.options.num, axis=site.axis(site.options.axis)))


def split(site: Site) -> tuple[Value, ...]:
    """Operands: axis, data; equal parts."""
    axis = site.axis(site.integers(0)[0], 1)
    return tuple(ops.split(site.inputs[1], site.options.numSplits, axis=axis))


def split_v(site: Site) -> tuple[Value, ...]:
    """Operands: data, sizes, axis."""
    axis, sizes = site.axis(site.integers(2)[0]), [result.shape for result in site.results]
    ends = np.cumsum([shape[axis] for shape in sizes])[:-1].tolist()
    return tuple(ops.split(site.inputs[0], ends, axis=axis))


def slice_(site: Site) -> Value:
    """Operands: data, begin, size (-1: to the end)."""
    pairs = list(zip(site.integers(1), site.integers(2), strict=True))
    return _picked(site, tuple(slice(begin, None if size == -1 else begin + size) for begin, size in pairs))


def strided_slice(site: Site) -> Value:
    """Operands: data, begin, end, strides; bits of the masks say which of them count."""
    o = site.options
    if o.offset:
        raise Unliftable("its ends count from its begins")
    index: list[Any] = []
    for place, (begin, end, step) in enumerate(zip(*(site.integers(p) for p in (1, 2, 3)), strict=True)):
        bit = 1 << place
        if o.ellipsisMask & bit:
            index.append(...)
        elif o.newAxisMask & bit:
            index.append(None)
        elif o.shrinkAxisMask & bit:
            index.append(begin)
        else:
            index.append(slice(None if o.beginMask & bit else begin, None if o.endMask & bit else end, step))
    return _picked(site, tuple(index))


def _picked(site: Site, index: tuple[Any, ...]) -> Value:
    x, first = site.inputs[0], index[0] if index else slice(None)
    if isinstance(x, np.ndarray):
        return x[index]
    if first is not ...:
        size = site.tensors[0].shape[0] if site.tensors[0] is not None else 1
        if not (isinstance(first, slice) and range(*first.indices(size)) == range(size)):
            raise Unliftable("it picks from the batch")
        index = (slice(None), *index[1:])
    return _forwards(x, index)


def _forwards(x: Value, index: tuple[Any, ...]) -> Value:
    """`x[index]`, where steps backwards are picked one by one: PyTorch has none."""
    made, axis = [], 0
    for entry in index:
        if entry is ...:
            axis += len(x.shape) - sum(other is not None for other in index) + 1
        elif isinstance(entry, slice) and (entry.step or 1) < 0:
            x = ops.take(x, np.arange(x.shape[axis])[entry], axis=axis)
        made.append(slice(None) if isinstance(entry, slice) and (entry.step or 1) < 0 else entry)
        axis += entry is not None and entry is not ...
    return x[tuple(made)]


def gather(site: Site) -> Value:
    """Picks along an axis by constant indices."""
    if site.options.batchDims:
        raise Unliftable("its indices differ from picture to picture")
    return ops.take(site.inputs[0], site.constant(1), axis=site.axis(site.options.axis))


RULES: dict[str, Rule] = {
    "UNPACK": unpack,
    "SPLIT": split,
    "SPLIT_V": split_v,
    "SLICE": slice_,
    "STRIDED_SLICE": strided_slice,
    "GATHER": gather,
}
