"""Training speaks `keras.ops` only: a second backend has to come to the same end."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relens.graph import Graph

SCRIPT = """
import json, sys
from dataclasses import replace
from pathlib import Path
import keras
from relens.compress.heal import HealSettings, Pictures, heal
from relens.compress.qat import QAT_SETTINGS, quantization_aware
from relens.graph import Graph
from relens.pipeline.convert import calibration_samples
from relens.spec import InputSpec
from relens.vision import frames_from

graph, pictures, target = Graph.read(Path(sys.argv[1])), frames_from(Path(sys.argv[2])), Path(sys.argv[3])
samples = calibration_samples(pictures.spread(32), InputSpec(), graph.inputs[0])
settings = replace(QAT_SETTINGS, epochs=4, learning_rate=1e-2)
made = quantization_aware(graph, graph, Pictures(pictures, InputSpec()), samples, bits=4, settings=settings)
made.candidate.graph.write(target)
spoilt = Graph.read(Path(sys.argv[4]))
healed = heal(graph, spoilt, Pictures(pictures, InputSpec()), HealSettings(epochs=3, batch=16, learning_rate=5e-3))
found = {name: {"before": one.before, "after": one.after} for name, one in (("qat", made), ("heal", healed))}
print(json.dumps({"backend": keras.backend.backend(), **found}))
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_comes_to_the_same_end(lesson, spoilt, shapes, tmp_path, backend) -> None:
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed here")
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    spoilt.write(tmp_path / "spoilt.tflite")
    found = {name: _run(script, name, shapes, tmp_path) for name in ("tensorflow", backend)}
    top1 = {name: lesson.top1(Graph.read(tmp_path / f"{name}.tflite")) for name in found}

    assert found[backend]["backend"] == backend
    for way, least in (("qat", 0.7), ("heal", 0.5)):
        mine, theirs = found[backend][way], found["tensorflow"][way]
        assert mine["before"] == pytest.approx(theirs["before"], rel=0.02), way
        assert mine["after"] < least * mine["before"], (way, found)
    assert abs(top1[backend] - top1["tensorflow"]) <= 0.03, top1


ROUNDED = """
import weakref
import torch
from relens.compress.qat.layers import on_grid

result = on_grid(torch.randn(8, requires_grad=True), torch.tensor(-1.0), torch.tensor(1.0))
result.sum().backward()
gone = weakref.ref(result)
del result
assert gone() is None, "a rounded activation stays in memory"
"""


def test_pytorch_gives_the_memory_of_a_step_back() -> None:
    if not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed here")
    environment = {**os.environ, "KERAS_BACKEND": "torch"}
    done = subprocess.run(
        [sys.executable, "-c", ROUNDED], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-1000:]


def _run(script: Path, backend: str, shapes, folder: Path) -> dict:
    target = folder / f"{backend}.tflite"
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-W", "ignore", str(script), str(shapes.graph), str(shapes.train), str(target)]
    command.append(str(folder / "spoilt.tflite"))
    made = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, env=environment)
    assert made.returncode == 0, made.stderr[-3000:]
    return dict(json.loads(made.stdout.splitlines()[-1]))
