"""What an engine says in a limited process, beside what this process says itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.engines import Engine, dequantize, load_engine
from relens.engines.kernels import LEVELS, is_beyond
from relens.engines.limited import LimitedEngine, _packed, _unpacked
from relens.errors import BadModel, EngineTrouble
from relens.graph import Graph
from relens.quantize import quantize
from relens.spec import InputSpec, this_machine
from relens.vision import Preprocessor, frames_from

emulates = pytest.mark.skipif(
    "avx2" not in this_machine().instruction_sets, reason="this processor has no more than the kernels to emulate"
)


def pictures(shapes: Any) -> list[dict[str, np.ndarray]]:
    tensor = Graph.read(shapes.graph).inputs[0]
    prepare = Preprocessor(InputSpec(scaling="0..1"), tensor)
    return [{tensor.name: prepare(frame).tensor} for frame in frames_from(shapes.calibration)]


def answers(engine: Engine, feeds: list[dict[str, np.ndarray]]) -> np.ndarray:
    """Real outputs, (pictures, values): floats go into an int8 graph by its input's scale."""
    given, asked = engine.inputs[0], engine.outputs[0]
    found = []
    for feed in feeds:
        value = feed[given.name]
        if given.scale is not None:
            value = np.clip(np.round(value / given.scale) + given.zero_point, -128, 127).astype(np.int8)
        found.append(dequantize(engine.run({given.name: value})[asked.name], asked).ravel())
    return np.stack(found).astype(np.float64)


def decibels(found: np.ndarray, expected: np.ndarray) -> float:
    return float(10 * np.log10((expected**2).sum() / ((found - expected) ** 2).sum().clip(1e-20)))


@pytest.fixture(scope="module")
def int8(shapes: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The shape classifier in integers, by the bits of its weights."""
    folder = tmp_path_factory.mktemp("int8")
    samples, files = pictures(shapes), {}
    for bits in (7, 8):
        files[bits] = folder / f"int8-{bits}.tflite"
        quantize(Graph.read(shapes.graph), "int8", samples=samples, weight_bits=bits).graph.write(files[bits])
    return files


@pytest.fixture
def limited(shapes: Any) -> Iterator[LimitedEngine]:
    with LimitedEngine(shapes.graph, "litert", "sse4.1", timeout_s=60) as engine:
        yield engine


@emulates
@pytest.mark.parametrize("kernels", LEVELS)
@pytest.mark.parametrize("engine", ["litert", "openvino"])
def test_float_answers_are_the_same_within_rounding(kernels: str, engine: str, shapes: Any) -> None:
    feeds = pictures(shapes)
    expected = answers(load_engine(shapes.graph, "litert"), feeds)
    assert np.ptp(expected) > 0.5, "an output that says nothing"
    with LimitedEngine(shapes.graph, engine, kernels) as there:
        np.testing.assert_allclose(answers(there, feeds), expected, atol=1e-5)
        assert there.report.engine == engine and there.report.precision.startswith("f")


@emulates
def test_openvino_saturates_there_with_8_bit_weights_and_is_exact_with_7(shapes: Any, int8: dict[int, Path]) -> None:
    """LiteRT's integers never saturate: they are what OpenVINO would say with VNNI."""
    feeds, found = pictures(shapes), {}
    for bits, file in int8.items():
        with LimitedEngine(file, "openvino", "sse4.1") as there:
            found[bits] = decibels(answers(there, feeds), answers(load_engine(file, "litert"), feeds))
            convolutions = [kernel for kernel in there.report.kernels if kernel.startswith("Convolution")]
            assert convolutions and not any(is_beyond(kernel, "sse4.1") for kernel in convolutions), convolutions
    assert found[7] > 35 and found[8] < 30, found  # 20 to 27 dB, by the processor that trained it


@emulates
def test_beside_a_processor_with_vnni_that_is_another_answer(shapes: Any, int8: dict[int, Path]) -> None:
    if this_machine().int8_saturates:
        pytest.skip("this machine saturates too")
    feeds = pictures(shapes)
    own = answers(load_engine(int8[8], "openvino"), feeds)
    with LimitedEngine(int8[8], "openvino", "sse4.1") as there:
        found = answers(there, feeds)
    assert decibels(own, answers(load_engine(int8[8], "litert"), feeds)) > 35 and decibels(found, own) < 30


def run_first_in_the_child(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "sitecustomize.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *sys.path]))


@emulates
def test_what_a_library_prints_neither_gets_among_the_answers_nor_blocks(
    shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy = """
import os
from relens import engines
plain = engines.load_engine
def load_engine(*arguments):
    os.write(1, b"from C++, past sys.stdout\\n" * 10_000)
    return plain(*arguments)
engines.load_engine = load_engine
"""
    run_first_in_the_child(noisy, tmp_path, monkeypatch)
    feeds = pictures(shapes)[:2]
    with LimitedEngine(shapes.graph, "litert", "sse4.1", timeout_s=60) as there:
        assert there._child._log.seek(0, os.SEEK_END) > 200_000
        np.testing.assert_allclose(answers(there, feeds), answers(load_engine(shapes.graph), feeds), atol=1e-5)


def test_arrays_of_any_type_and_shape_survive_a_message() -> None:
    arrays = [
        np.arange(70_000, dtype=np.float32).reshape(7, 100, 100)[:, ::-1],
        np.array([[True, False]]),
        np.array(3, np.int64),
        np.zeros((0, 4), np.int8),
        np.arange(6, dtype=np.float16).reshape(2, 3).T,
    ]
    for found, expected in zip(_unpacked(_packed(arrays)), arrays, strict=True):
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        np.testing.assert_array_equal(found, expected)


@emulates
def test_outputs_stay_what_they_were_when_it_runs_again(shapes: Any, limited: LimitedEngine) -> None:
    first, second = pictures(shapes)[:2]
    found = limited.run(first)["scores"]
    kept = found.copy()
    limited.run(second)
    np.testing.assert_array_equal(found, kept)
    found *= 0  # the caller's to keep


@emulates
def test_a_wrong_input_is_named_and_the_engine_goes_on(shapes: Any, limited: LimitedEngine) -> None:
    with pytest.raises(EngineTrouble, match=r"RL-ENGINE-003.*`picture` wants float32 \(1, 32, 32, 3\)"):
        limited.run({"picture": np.zeros((1, 3, 32, 32), np.float32)})
    assert limited.run(pictures(shapes)[0])["scores"].shape == (1, 3)


def test_what_cannot_be_loaded_or_limited_is_told_as_in_this_process(shapes: Any, tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"nothing")
    with pytest.raises(BadModel, match=r"RL-GRAPH-00\d.*x\.tflite"):
        LimitedEngine(tmp_path / "x.tflite", "litert", "sse4.1")
    with pytest.raises(EngineTrouble, match=r"RL-ENGINE-004.*`neon` are not among"):
        LimitedEngine(shapes.graph, "litert", "neon")
    with pytest.raises(EngineTrouble, match=r"RL-ENGINE-004.*the engine `tensorrt`"):
        LimitedEngine(shapes.graph, "tensorrt", "sse4.1")


@emulates
def test_an_engine_that_does_not_keep_to_the_kernels_gives_no_answer(
    shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO's oneDNN with its switch made ineffective, as in another build of it."""
    other = "import relens.engines.kernels as kernels\nkernels.ONEDNN_VARIABLE = 'NOTHING'\n"
    run_first_in_the_child(other, tmp_path, monkeypatch)
    with pytest.raises(EngineTrouble, match=r"RL-ENGINE-004.*openvino chose .*avx"):
        LimitedEngine(shapes.graph, "openvino", "sse4.1")


def is_gone(process: "subprocess.Popen[bytes]") -> bool:
    """Ended and collected: not even a zombie is left."""
    return process.returncode is not None and not Path(f"/proc/{process.pid}").exists()


@emulates
def test_the_process_ends_with_the_block_whatever_leaves_it(shapes: Any) -> None:
    with LimitedEngine(shapes.graph, "litert", "sse4.1") as engine:
        process = engine._child._process
    assert is_gone(process)
    with pytest.raises(EngineTrouble, match=r"RL-ENGINE-002.*has ended"):
        engine.run(pictures(shapes)[0])
    with pytest.raises(KeyboardInterrupt), LimitedEngine(shapes.graph, "litert", "sse4.1") as engine:
        process = engine._child._process
        raise KeyboardInterrupt
    assert is_gone(process)


@emulates
def test_a_process_that_hangs_is_given_up(shapes: Any) -> None:
    with LimitedEngine(shapes.graph, "litert", "sse4.1", timeout_s=60) as engine:
        process = engine._child._process
        process.send_signal(signal.SIGSTOP)
        engine._child._timeout_s = 1
        start = time.monotonic()
        with pytest.raises(EngineTrouble, match=r"RL-ENGINE-002.* no answer in 1 s"):
            engine.run(pictures(shapes)[0])
        assert time.monotonic() - start < 20 and is_gone(process)


@emulates
def test_a_process_that_hangs_before_it_has_read_all_is_given_up_too(shapes: Any) -> None:
    with LimitedEngine(shapes.graph, "litert", "sse4.1", timeout_s=60) as engine:
        engine._child._process.send_signal(signal.SIGSTOP)
        engine._child._timeout_s = 1
        with pytest.raises(EngineTrouble, match=r"RL-ENGINE-002.* no answer in 1 s"):
            engine._child.ask(bytes(10_000_000))  # more than a pipe holds
        assert is_gone(engine._child._process)


@emulates
def test_a_process_that_dies_is_an_error_with_a_code(shapes: Any) -> None:
    with LimitedEngine(shapes.graph, "litert", "sse4.1") as engine:
        engine._child._process.send_signal(signal.SIGSEGV)
        with pytest.raises(EngineTrouble, match=r"RL-ENGINE-004.*died of SIGSEGV"):
            engine.run(pictures(shapes)[0])
        assert is_gone(engine._child._process)
    with LimitedEngine(shapes.graph, "litert", "sse4.1") as engine:
        with pytest.raises(EngineTrouble, match=r"RL-ENGINE-002.*zip\(\) argument"):
            engine._child.ask(b"")  # an input too few
        assert is_gone(engine._child._process)


@emulates
def test_it_ends_when_its_parent_is_killed(shapes: Any) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom relens.engines.limited import LimitedEngine\n"
        "engine = LimitedEngine(Path(sys.argv[1]), 'litert', 'sse4.1')\n"
        "print(engine._child._process.pid, flush=True)\ntime.sleep(600)"
    )
    command = [sys.executable, "-c", script, str(shapes.graph)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = Path(f"/proc/{int(parent.stdout.readline())}")
        parent.kill()
    deadline = time.monotonic() + 30
    while child.exists() and "(zombie)" not in (child / "status").read_text() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not child.exists() or "(zombie)" in (child / "status").read_text()
