"""From flatbuffer bytes to tensors and operations, refusing what does not hold together."""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from relens.errors import BadModel
from relens.graph.tensor import BITS, Op, Tensor

IDENTIFIER = b"TFL3"
MAX_RANK = 32
MAX_ELEMENTS = 2**40

# What the pure-Python flatbuffers reader raises when an offset leads nowhere.
DAMAGE = (
    struct.error,
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    MemoryError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
)

OP_NAMES: dict[int, str] = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}
DTYPES: dict[int, str] = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.lower() in BITS}


@dataclass(frozen=True)
class Parts:
    """What was read: the main subgraph, its inputs and outputs in signature order."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]


def parts(content: bytes, origin: str) -> Parts:
    """Read the main subgraph of a TFLite flatbuffer.

    Raises:
        BadModel: RL-GRAPH-001, not a TFLite file; RL-GRAPH-002, truncated or damaged.
    """
    if content[4:8] != IDENTIFIER:
        what = "is empty" if not content else "has no TFL3 identifier: it is not a TFLite file"
        raise BadModel("RL-GRAPH-001", f"{origin} {what}", hint="name another file: relens inspect MODEL")
    try:
        return _Reader(content).parts()
    except DAMAGE as error:
        raise BadModel(
            "RL-GRAPH-002",
            f"{origin} is truncated or damaged ({error or type(error).__name__})",
            hint="copy or export the file again, then: relens inspect MODEL",
        ) from error


def buffer_data(content: bytes, buffer: Any) -> np.ndarray:
    """A buffer's bytes `(size,) uint8`, whether stored inside the flatbuffer or behind it.

    Raises:
        ValueError: they lie outside of the file.
    """
    if not buffer.DataIsNone() and buffer.DataLength():
        inside: np.ndarray = buffer.DataAsNumpy()
        return inside
    # An offset of 1 is the converter's placeholder for "nothing".
    if buffer.Offset() > 1:
        return np.frombuffer(content, np.uint8, buffer.Size(), buffer.Offset())
    return np.empty(0, np.uint8)


class _Reader:
    """Walks one flatbuffer. Vectors draw on a budget in proportion to the file, so no file can stall it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.budget = 4 * len(content) + 4096
        self.model: Any = schema.Model.GetRootAs(content)
        self.main: Any = self._items(self.model.SubgraphsLength, self.model.Subgraphs)[0]

    def parts(self) -> Parts:
        buffers = self._items(self.model.BuffersLength, self.model.Buffers)
        sizes = [buffer_data(self.content, buffer).size for buffer in buffers]
        tables = self._items(self.main.TensorsLength, self.main.Tensors)
        ops = self._ops(len(tables))
        written = {index for op in ops for index in op.outputs}
        inputs = self._indices(self.main.InputsAsNumpy(), len(tables))
        outputs = self._indices(self.main.OutputsAsNumpy(), len(tables))
        tensors = tuple(
            self._tensor(index, table, sizes[table.Buffer()], fed=index in written or index in inputs)
            for index, table in enumerate(tables)
        )
        names_in, names_out = self._signature(len(tables))
        return Parts(_ordered(tensors, inputs, names_in), _ordered(tensors, outputs, names_out), tensors, ops)

    def _spend(self, amount: int) -> None:
        self.budget -= amount
        if amount < 0 or self.budget < 0:
            raise ValueError("a vector longer than the file")

    def _items(self, length: Callable[[], int], item: Callable[[int], Any]) -> list[Any]:
        self._spend(4 * length())
        return [item(position) for position in range(length())]

    def _numbers(self, vector: Any) -> tuple[Any, ...]:
        if not isinstance(vector, np.ndarray):  # the schema gives 0 for a vector left out
            return ()
        self._spend(vector.nbytes)
        return tuple(vector.tolist())

    def _indices(self, vector: Any, limit: int, lowest: int = 0) -> tuple[int, ...]:
        indices = self._numbers(vector)
        for index in indices:
            if not lowest <= index < limit:
                raise IndexError(f"tensor index {index} of {limit}")
        return indices

    def _text(self, value: bytes | None) -> str:
        self._spend(len(value or b""))
        return (value or b"").decode(errors="replace")

    def _tensor(self, index: int, table: Any, stored: int, *, fed: bool) -> Tensor:
        sizes = self._numbers(table.ShapeAsNumpy())
        signature = self._numbers(table.ShapeSignatureAsNumpy()) or sizes
        shape = tuple(1 if size == -1 else size for size in sizes)
        if table.Type() not in DTYPES:
            raise ValueError(f"tensor {index} has an unknown element type")
        if len(shape) > MAX_RANK or len(signature) != len(shape) or any(size < 0 for size in shape):
            raise ValueError(f"tensor {index} has an impossible shape")
        name = self._text(table.Name())
        scales, zero_points, dimension = self._quantization(index, table.Quantization(), shape)
        variable = bool(table.IsVariable())
        tensor = Tensor(
            index=index,
            name=name,
            tensor_name=name,
            shape=shape,
            dtype=DTYPES[table.Type()],
            scales=scales,
            zero_points=zero_points,
            quantized_dimension=dimension,
            variable=variable,
            open_dimensions=tuple(axis for axis, size in enumerate(signature) if size == -1),
            buffer=table.Buffer(),
        )
        if tensor.elements > MAX_ELEMENTS:
            raise ValueError(f"tensor {index} has an impossible shape")
        # An empty constant (the shape operand of a reshape to a scalar) has no bytes to show for itself.
        constant = stored > 0 or (tensor.elements == 0 and not fed)
        return replace(tensor, constant=constant and not variable)

    def _quantization(
        self, index: int, table: Any, shape: tuple[int, ...]
    ) -> tuple[tuple[float, ...], tuple[int, ...], int]:
        if table is None or table.ScaleIsNone():
            return (), (), 0
        scales, zero_points = self._numbers(table.ScaleAsNumpy()), self._numbers(table.ZeroPointAsNumpy())
        if not scales:
            return (), (), 0
        dimension = table.QuantizedDimension()
        if len(scales) > 1 and (not 0 <= dimension < len(shape) or shape[dimension] != len(scales)):
            raise ValueError(f"tensor {index} has {len(scales)} scales that fit no dimension")
        zero_points = zero_points or (0,) * len(scales)
        if len(zero_points) == 1:
            zero_points *= len(scales)
        if len(zero_points) != len(scales):
            raise ValueError(f"tensor {index} has {len(scales)} scales and {len(zero_points)} zero points")
        return scales, zero_points, dimension

    def _ops(self, tensors: int) -> tuple[Op, ...]:
        every = self._items(self.model.OperatorCodesLength, self.model.OperatorCodes)
        codes = [self._code(table) for table in every]
        tables = self._items(self.main.OperatorsLength, self.main.Operators)
        return tuple(
            Op(
                index=index,
                name=codes[table.OpcodeIndex()][0],
                inputs=self._indices(table.InputsAsNumpy(), tensors, lowest=-1),
                outputs=self._indices(table.OutputsAsNumpy(), tensors),
                options=self._options(table, custom=codes[table.OpcodeIndex()][1]),
                custom=codes[table.OpcodeIndex()][1],
            )
            for index, table in enumerate(tables)
        )

    def _code(self, table: Any) -> tuple[str, bool]:
        # Codes above 127 only fit the newer field; older writers fill only the older one.
        code = max(table.BuiltinCode(), table.DeprecatedBuiltinCode())
        if code == schema.BuiltinOperator.CUSTOM:
            return self._text(table.CustomCode()), True
        return OP_NAMES.get(code, f"BUILTIN_{code}"), False

    def _options(self, table: Any, *, custom: bool) -> object | None:
        options: object | None
        if custom:
            raw = table.CustomOptionsAsNumpy()
            options = raw.tobytes() if isinstance(raw, np.ndarray) else None
        elif table.BuiltinOptionsType():
            options = schema.BuiltinOptionsCreator(table.BuiltinOptionsType(), table.BuiltinOptions())
        else:  # operations newer than the first union's 8-bit type
            options = schema.BuiltinOptions2Creator(table.BuiltinOptions2Type(), table.BuiltinOptions2())
        return options

    def _signature(self, tensors: int) -> tuple[dict[str, int], dict[str, int]]:
        every = self._items(self.model.SignatureDefsLength, self.model.SignatureDefs)
        mine = [item for item in every if item.SubgraphIndex() == 0]
        for item in sorted(mine, key=lambda item: item.SignatureKey() != b"serving_default")[:1]:
            return (
                self._names(self._items(item.InputsLength, item.Inputs), tensors),
                self._names(self._items(item.OutputsLength, item.Outputs), tensors),
            )
        return {}, {}

    def _names(self, maps: Sequence[Any], tensors: int) -> dict[str, int]:
        names = {self._text(item.Name()): item.TensorIndex() for item in maps}
        for index in names.values():
            if index >= tensors:
                raise IndexError(f"tensor index {index} of {tensors} in the signature")
        return names


def _ordered(tensors: tuple[Tensor, ...], indices: tuple[int, ...], names: dict[str, int]) -> tuple[Tensor, ...]:
    """The signature's tensors under their names, then any the signature leaves out."""
    named = [replace(tensors[index], name=name) for name, index in names.items()]
    rest = [tensors[index] for index in indices if index not in names.values()]
    return tuple(named + rest)
