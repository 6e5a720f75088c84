import importlib.util
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from relens.graph import Graph


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of real files, made by TensorFlow and the quantizer in another process."""
    if not importlib.util.find_spec("tensorflow"):
        pytest.skip("the real files are made by TensorFlow")
    folder = tmp_path_factory.mktemp("models")
    script = Path(__file__).with_name("reference_models.py")
    made = subprocess.run([sys.executable, script, folder], capture_output=True, text=True, timeout=300, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    return folder


@pytest.fixture(scope="session")
def read(models: Path) -> Callable[[str], Graph]:
    """Read one of the real files by its name."""
    return lambda name: Graph.read(models / f"{name}.tflite")


@dataclass
class Sketch:
    """A graph written by hand with the schema's own objects, for what no converter readily makes."""

    tensors: list[object] = field(default_factory=list)
    ops: list[object] = field(default_factory=list)
    codes: list[object] = field(default_factory=list)
    buffers: list[object] = field(default_factory=lambda: [schema.BufferT()])

    def tensor(self, name: str, shape: Sequence[int], dtype: str = "FLOAT32", data: np.ndarray | None = None) -> int:
        table = schema.TensorT()
        table.name, table.shape, table.type = name, list(shape), getattr(schema.TensorType, dtype)
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(data.tobytes(), np.uint8)
            self.buffers.append(buffer)
            table.buffer = len(self.buffers) - 1
        self.tensors.append(table)
        return len(self.tensors) - 1

    def op(self, name: str, inputs: Sequence[int], outputs: Sequence[int], *, custom: bool = False) -> None:
        code = schema.OperatorCodeT()
        code.builtinCode = schema.BuiltinOperator.CUSTOM if custom else getattr(schema.BuiltinOperator, name)
        code.customCode = name if custom else None
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        self.codes.append(code)
        table = schema.OperatorT()
        table.opcodeIndex, table.inputs, table.outputs = len(self.codes) - 1, list(inputs), list(outputs)
        self.ops.append(table)

    def pack(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        main = schema.SubGraphT()
        main.tensors, main.operators = self.tensors, self.ops
        main.inputs, main.outputs = list(inputs), list(outputs)
        model = schema.ModelT()
        model.version, model.subgraphs, model.operatorCodes, model.buffers = 3, [main], self.codes, self.buffers
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())


@pytest.fixture
def sketch() -> Sketch:
    return Sketch()


@pytest.fixture(scope="session")
def infer() -> Callable[..., dict[str, np.ndarray]]:
    """Run a graph by the runtime itself; outputs under their signature names."""

    def run(graph: Graph, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        runner = Interpreter(model_content=graph.content, num_threads=1).get_signature_runner()
        outputs: dict[str, np.ndarray] = runner(**inputs)
        return outputs

    return run
