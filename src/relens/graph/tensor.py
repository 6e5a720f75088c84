"""What a graph is made of: tensors and operations, as plain values."""

import math
from dataclasses import dataclass, field

BITS: dict[str, int] = {
    "float32": 32,
    "float16": 16,
    "bfloat16": 16,
    "float64": 64,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
    "int2": 2,
    "int4": 4,
    "int8": 8,
    "int16": 16,
    "int32": 32,
    "int64": 64,
    "uint4": 4,
    "uint8": 8,
    "uint16": 16,
    "uint32": 32,
    "uint64": 64,
    "bool": 8,
    "complex64": 64,
    "complex128": 128,
    "string": 0,
    "resource": 0,
    "variant": 0,
}
"""Bits one element takes, by element type; 0 where the size is only known at run time."""


DATA_POSITION = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 0, "FULLY_CONNECTED": 0, "TRANSPOSE_CONV": 2}
"""Operations whose second operand is a trained kernel -> which operand holds the data."""

WEIGHTED = frozenset(DATA_POSITION)


@dataclass(frozen=True)
class Tensor:
    """One tensor of a graph.

    Attributes:
        index: its place in the flatbuffer.
        name: the signature's name for an input or output, else the flatbuffer's.
        tensor_name: the flatbuffer's name.
        shape: sizes, outermost first; a dimension left open counts as 1.
        dtype: numpy's name of the element type ("float32", "int8", ...; "int4" is packed two to a byte).
        scales: `real = scale * (stored - zero_point)`; one value, or one a slice of `quantized_dimension`.
        zero_points: as many as `scales`.
        constant: its data is in the file.
        variable: it keeps its value from one run to the next.
        open_dimensions: the dimensions whose size the file leaves open.
        buffer: where the file keeps its data; tensors of one buffer share their data. 0 holds nothing.
    """

    index: int
    name: str
    tensor_name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = field(default=(), repr=False)
    zero_points: tuple[int, ...] = field(default=(), repr=False)
    quantized_dimension: int = field(default=0, repr=False)
    constant: bool = False
    variable: bool = field(default=False, repr=False)
    open_dimensions: tuple[int, ...] = field(default=(), repr=False)
    buffer: int = field(default=0, repr=False)

    @property
    def elements(self) -> int:
        """How many elements it holds."""
        return math.prod(self.shape)

    @property
    def size_bytes(self) -> int:
        """Bytes it takes in memory, 4-bit and 2-bit types packed."""
        return (self.elements * BITS[self.dtype] + 7) // 8

    @property
    def quantized(self) -> bool:
        """Whether stored numbers stand for real ones by scale and zero point."""
        return bool(self.scales)

    @property
    def scale(self) -> float | None:
        """The one scale of a per-tensor quantized tensor, else None."""
        return self.scales[0] if len(self.scales) == 1 else None

    @property
    def zero_point(self) -> int:
        """The one zero point of a per-tensor quantized tensor, else 0."""
        return self.zero_points[0] if len(self.zero_points) == 1 else 0

    def __str__(self) -> str:
        sizes = ("?" if axis in self.open_dimensions else str(size) for axis, size in enumerate(self.shape))
        scale = f" scale {self.scale:.6g} zero {self.zero_point}" if self.scale is not None else ""
        return f"{self.name} ({', '.join(sizes)}) {self.dtype}{scale}"


@dataclass(frozen=True)
class Op:
    """One operation of a graph.

    Attributes:
        index: its place in the order of execution.
        name: the schema's name ("CONV_2D"), or the code of a custom operation.
        inputs: tensor indices; -1 is an optional input left out.
        outputs: tensor indices.
        options: the schema's option table (such as `Conv2DOptionsT`), the raw bytes of a custom
            operation's options, or None.
        custom: it is no builtin of the runtime.
    """

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: object | None = field(default=None, repr=False, compare=False)
    custom: bool = False
