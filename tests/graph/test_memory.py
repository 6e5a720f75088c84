import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.graph import Graph, cost
from relens.graph.memory import activation_peak_bytes, indirection_bytes

Read = Callable[[str], Graph]

MEASURE = """
import sys
from ai_edge_litert.interpreter import Interpreter
def memory(key):
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith(key)).split()[1]) * 1024
before = memory("VmRSS")
interpreter = Interpreter(sys.argv[1], num_threads=1)
interpreter.allocate_tensors()
interpreter.invoke()
print(memory("VmHWM") - before)
"""


def test_the_activation_peak_is_the_one_found_by_hand(read: Read) -> None:
    # While the reshape runs: the picture (16 x 16 x 3), its input and its output (16 x 16 x 4 each).
    elements = 16 * 16 * 3 + 2 * 16 * 16 * 4
    assert elements * 4 == activation_peak_bytes(read("float"))
    assert elements == activation_peak_bytes(read("integer"))


def test_weights_unpacked_from_float16_are_no_activations(read: Read) -> None:
    difference = activation_peak_bytes(read("half")) - activation_peak_bytes(read("float"))
    assert 0 <= difference < 64  # its shape is computed, in a few integers


def test_a_branch_is_alive_until_it_is_read(sketch: Any) -> None:
    x, a, b, c, y = (sketch.tensor(name, (1, 100)) for name in "xabcy")
    sketch.op("RELU", (x,), (a,))
    sketch.op("RELU", (a,), (b,))
    sketch.op("RELU", (b,), (c,))
    sketch.op("ADD", (c, a), (y,))
    # At the third operation x (an input stays), a, b and c are alive; at the fourth x, a, c and y.
    assert activation_peak_bytes(Graph.from_bytes(sketch.pack([x], [y]))) == 4 * 400


def test_pointer_tables_are_those_of_windows_wider_than_one_pixel(read: Read) -> None:
    # The convolution: 8 x 8 outputs of 3 x 3 each; the depthwise one, stride 1: 8 x 8 of a column of 3.
    assert indirection_bytes(read("float")) == (8 * 8 * 9 + 8 * 8 * 3) * 8
    assert indirection_bytes(read("float")) == indirection_bytes(read("integer"))
    assert indirection_bytes(read("matmul")) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_predicted_memory_is_near_what_the_runtime_takes(sketch: Any, tmp_path: Path) -> None:
    wide = 1024
    x, y, z = (sketch.tensor(name, (64, wide)) for name in "xyz")
    for source, target, seed in ((x, y, 1), (y, z, 2)):
        data = np.random.default_rng(seed).normal(size=(wide, wide)).astype(np.float32)
        sketch.op("FULLY_CONNECTED", (source, sketch.tensor(f"w{seed}", (wide, wide), data=data), -1), (target,))
    graph = Graph.from_bytes(sketch.pack([x], [z]))
    graph.write(tmp_path / "wide.tflite")
    command = [sys.executable, "-c", MEASURE, tmp_path / "wide.tflite"]
    measured = int(subprocess.run(command, capture_output=True, check=True, timeout=60).stdout)
    predicted = cost(graph).predicted_memory_bytes
    assert abs(predicted - measured) < 4 * 2**20, (predicted, measured)
