"""A TFLite graph: the one model that travels through relens."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from relens.errors import BadModel
from relens.files import write_whole
from relens.graph.constants import decode
from relens.graph.reader import buffer_data, parts
from relens.graph.tensor import Op, Tensor

MAX_FILE_BYTES = 2**31  # flatbuffer offsets are signed 32-bit


@dataclass(frozen=True, repr=False)
class Graph:
    """A TFLite flatbuffer and what it holds. Two graphs are equal when their bytes are.

    Attributes:
        content: the flatbuffer, with whatever is appended to it.
        inputs: the inputs in signature order, under the signature's names; in file order without one.
        outputs: the outputs, likewise.
        tensors: every tensor of the main subgraph, in file order.
        ops: every operation of the main subgraph, in order of execution.
    """

    content: bytes
    inputs: tuple[Tensor, ...] = field(compare=False)
    outputs: tuple[Tensor, ...] = field(compare=False)
    tensors: tuple[Tensor, ...] = field(compare=False)
    ops: tuple[Op, ...] = field(compare=False)

    @classmethod
    def from_bytes(cls, content: bytes, origin: str = "<memory>") -> "Graph":
        """Read a graph from a flatbuffer; `origin` names it in errors.

        Raises:
            BadModel: RL-GRAPH-001, not a TFLite file; RL-GRAPH-002, truncated or damaged.
        """
        read = parts(content, origin)
        return cls(content, read.inputs, read.outputs, read.tensors, read.ops)

    @classmethod
    def read(cls, path: str | Path) -> "Graph":
        """Read a graph from a `.tflite` file.

        Raises:
            BadModel: as `from_bytes`; RL-GRAPH-003, the file is missing, unreadable or over 2 GiB.
        """
        path = Path(path)
        try:
            size = path.stat().st_size
            if size >= MAX_FILE_BYTES:
                raise OSError(f"{size} bytes, and a flatbuffer ends at 2 GiB")
            content = path.read_bytes()
        except OSError as error:
            raise BadModel(
                "RL-GRAPH-003", f"{path} cannot be read ({error})", hint="relens inspect MODEL, with its path"
            ) from error
        return cls.from_bytes(content, str(path))

    @cached_property
    def sha256(self) -> str:
        """The hash of the content, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def producers(self) -> dict[int, Op]:
        """Tensor index -> the operation that makes it; inputs and constants are not in it."""
        return {index: op for op in self.ops for index in op.outputs}

    @property
    def size_bytes(self) -> int:
        """The size of the file."""
        return len(self.content)

    def constant(self, tensor: Tensor) -> np.ndarray:
        """A constant's stored data, read-only, in its shape; 4-bit integers are unpacked to int8.

        Raises:
            BadModel: RL-GRAPH-004, the tensor is not constant, or is stored in a form relens does not read.
        """
        mine = self.tensors[tensor.index]  # a rewritten graph keeps its indices and moves its buffers
        buffer = schema.Model.GetRootAs(self.content).Buffers(mine.buffer)
        return decode(mine, buffer_data(self.content, buffer))

    def write(self, path: Path) -> None:
        """Write the file so that a reader sees the old one or the new one, never a part."""
        write_whole(path, [self.content])

    def __repr__(self) -> str:
        counts = Counter(op.name for op in self.ops).most_common()
        lines = [f"Graph({self.size_bytes:,} bytes, sha256 {self.sha256[:12]}, {len(self.ops)} ops)"]
        lines += [f"  in   {tensor}" for tensor in self.inputs]
        lines += [f"  out  {tensor}" for tensor in self.outputs]
        lines.append("  ops  " + ", ".join(f"{name} {count}" for name, count in counts))
        return "\n".join(lines)
