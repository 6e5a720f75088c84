"""The data of constant tensors."""

import numpy as np

from relens.errors import BadModel
from relens.graph.tensor import BITS, Tensor


def decode(tensor: Tensor, data: np.ndarray) -> np.ndarray:
    """Stored bytes `(size,) uint8` as an array of the tensor's shape and type.

    Raises:
        BadModel: RL-GRAPH-004, not constant, or compressed in a form relens does not read.
    """
    if not tensor.constant:
        raise _unreadable(tensor, "is not constant: it has no data in the file")
    if data.size != tensor.size_bytes:
        raise _unreadable(tensor, f"has {data.size} bytes where its shape and type need {tensor.size_bytes}")
    if tensor.dtype == "int4":
        return _nibbles(data)[: tensor.elements].reshape(tensor.shape)
    if BITS[tensor.dtype] < 8 or tensor.dtype.startswith(("bfloat", "float8")):
        raise _unreadable(tensor, "has an element type that numpy lacks")
    return data.view(np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)


def _nibbles(data: np.ndarray) -> np.ndarray:
    """Packed signed 4-bit integers, low half first, as int8."""
    signed = data.view(np.int8)
    # Shifting left and back again carries the sign of the low half.
    return np.stack([np.left_shift(signed, 4) >> 4, signed >> 4], axis=1).reshape(-1)


def _unreadable(tensor: Tensor, why: str) -> BadModel:
    return BadModel(
        "RL-GRAPH-004",
        f"tensor {tensor.index} ({tensor.tensor_name}, {tensor.dtype} {list(tensor.shape)}) {why}",
        hint="convert the model again without sparse or packed weights: relens convert MODEL",
    )
