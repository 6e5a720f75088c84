"""Limits hold for a process: what they do is looked at in children."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.engines import EngineReport
from relens.engines.kernels import LEVELS, Choice, choice, is_beyond, kernels_of, limit, unlimited
from relens.engines.xnnpack import FLAGS, Xnnpack, implausible
from relens.errors import EngineTrouble
from relens.graph import Graph
from relens.quantize import quantize
from relens.spec import device, this_machine

needs_avx2 = pytest.mark.skipif(
    "avx2" not in this_machine().instruction_sets, reason="this processor has no more than the kernels to emulate"
)

# Limits itself (or not), runs each graph on each engine, saves the outputs, and says which kernels it has chosen.
CHILD = """
import json, sys
from pathlib import Path
import numpy as np
from relens.engines import load_engine
from relens.engines.kernels import confirm, limit, unlimited
kernels, folder, engines, *graphs = sys.argv[1:]
if kernels != "native":
    limit(kernels, engines.split(","))
reports = []
for graph in graphs:
    for name in engines.split(","):
        engine = load_engine(Path(graph), name)
        draw = np.random.default_rng(1)
        feed = {t.name: draw.random(t.shape).astype(np.float32) if t.dtype == "float32"
                else draw.integers(-128, 128, t.shape).astype(np.int8) for t in engine.inputs}
        np.savez(Path(folder) / f"{kernels}-{name}-{Path(graph).stem}.npz", **engine.run(feed))
        reports.append(engine.report)
if kernels != "native":
    confirm(kernels, reports)
from relens.engines.xnnpack import Xnnpack
library = Xnnpack()
print(json.dumps({"flags": library.flags(), "chosen": sorted(library.chosen()),
                  "layers": [k for r in reports for k in r.kernels]}))
"""


def run_child(kernels: str, folder: Path, *graphs: Path, engines: str = "litert") -> dict[str, Any]:
    command = [sys.executable, "-c", CHILD, kernels, str(folder), engines, *map(str, graphs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def outputs(folder: Path, kernels: str, engine: str, graph: Path) -> np.ndarray:
    with np.load(folder / f"{kernels}-{engine}-{graph.stem}.npz") as found:
        return np.concatenate([found[name].ravel() for name in found]).astype(np.float64)


@pytest.fixture(scope="module")
def int8_graph(shapes: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    graph = Graph.read(shapes.graph)
    draw = np.random.default_rng(0)
    samples = [{"picture": draw.random(graph.inputs[0].shape).astype(np.float32)} for _ in range(8)]
    target = tmp_path_factory.mktemp("int8") / "int8.tflite"
    quantize(graph, "int8", samples=samples).graph.write(target)
    return target


@pytest.fixture(scope="module")
def children(shapes: Any, int8_graph: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The same two graphs on LiteRT: native, and limited to each level."""
    folder = tmp_path_factory.mktemp("outputs")
    return folder, {kernels: run_child(kernels, folder, shapes.graph, int8_graph) for kernels in ("native", *LEVELS)}


@needs_avx2
@pytest.mark.parametrize("kernels", LEVELS)
def test_xnnpack_keeps_to_the_kernels_it_is_limited_to(kernels: str, children: tuple[Path, dict[str, Any]]) -> None:
    limited = children[1][kernels]
    assert limited["flags"] == LEVELS[kernels].flags
    assert [name for name in limited["chosen"] if is_beyond(name, kernels)] == []
    assert any("_f32_gemm_" in name or "_f32_igemm_" in name for name in limited["chosen"]), limited["chosen"]
    assert any("_qs8_qc8w_" in name for name in limited["chosen"]), limited["chosen"]


@needs_avx2
def test_without_a_limit_it_chooses_kernels_beyond(children: tuple[Path, dict[str, Any]]) -> None:
    native, limited = children[1]["native"], children[1]["sse4.1"]
    assert any(is_beyond(name, "sse4.1") for name in native["chosen"]), native["chosen"]
    assert {name for name in limited["chosen"] if "sse" in name} - {*native["chosen"]}
    assert implausible(native["flags"], cpu_flags()) is None


@needs_avx2
@pytest.mark.parametrize("kernels", LEVELS)
def test_int8_answers_the_same_and_float_within_rounding(
    kernels: str, children: tuple[Path, dict[str, Any]], shapes: Any, int8_graph: Path
) -> None:
    folder = children[0]
    native, limited = (outputs(folder, name, "litert", int8_graph) for name in ("native", kernels))
    assert np.ptp(native) > 10, "an output that says nothing"
    assert float(np.abs(native - limited).max()) <= 1
    native, limited = (outputs(folder, name, "litert", shapes.graph) for name in ("native", kernels))
    np.testing.assert_allclose(limited, native, atol=1e-5)


@needs_avx2
def test_openvino_keeps_its_convolutions_to_them(shapes: Any, tmp_path: Path) -> None:
    native = run_child("native", tmp_path, shapes.graph, engines="openvino")
    limited = run_child("sse4.1", tmp_path, shapes.graph, engines="openvino")
    for found, used in ((native, "avx"), (limited, "sse42")):
        layers = [layer for layer in found["layers"] if layer.startswith("Convolution")]
        assert layers and all(used in layer for layer in layers), layers
    both = [outputs(tmp_path, kernels, "openvino", shapes.graph) for kernels in ("native", "sse4.1")]
    np.testing.assert_allclose(both[1], both[0], atol=1e-5)


def refusal_in_child(code: str) -> str:
    """What `code` is refused with, in a fresh process."""
    wrapped = (
        "from relens.errors import EngineTrouble\n"
        "try:\n    {}\nexcept EngineTrouble as trouble:\n    print(trouble.code, trouble.message)"
    )
    script = wrapped.format(code.replace("\n", "\n    "))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_process_that_has_used_the_engine_is_refused(shapes: Any) -> None:
    load = f"from relens.engines import load_engine\nload_engine(__import__('pathlib').Path({str(shapes.graph)!r}), "
    then = ")\nfrom relens.engines.kernels import limit\n"
    said = refusal_in_child(f"{load}'litert'{then}limit('sse4.1', ['litert'])")
    assert said.startswith("RL-ENGINE-004") and "chosen kernels in this process already" in said
    said = refusal_in_child(f"{load}'openvino'{then}limit('sse4.1', ['openvino'])")
    assert said.startswith("RL-ENGINE-004") and "loaded in this process already" in said


@needs_avx2
def test_a_limit_that_had_no_effect_is_found_out(shapes: Any) -> None:
    run = (
        "from pathlib import Path\nfrom relens.engines import load_engine\nfrom relens.engines.kernels import confirm\n"
        f"engine = load_engine(Path({str(shapes.graph)!r}), 'ENGINE')\nconfirm('sse4.1', [engine.report])"
    )
    for engine in ("litert", "openvino"):
        said = refusal_in_child(run.replace("ENGINE", engine))
        assert said.startswith("RL-ENGINE-004") and f"{engine} chose" in said, said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("x.INITIALIZER = 'xnn_nothing'", "has not the names"),
        ("x.CONFIG = 'hardware_guard'", "bytes where 80 are known"),
        ("x.CONFIG = 'f32_qc8w_gemm_config'", "bytes where 80 are known"),
        ("x.LIBRARY = 'libc.so.6'", "does not tell its names"),
        ("x.LIBRARY = 'libnothing.so'", "is not loaded"),
        ("x.FEWEST_KERNELS = 10**6", "has not the names"),
        ("x.CPUINFO = x.Path('/proc/version')", "not those of this processor"),
        ("x.platform.machine = lambda: 'aarch64'", "only on Linux on x86-64"),
        ("x.Library.bytes_of = lambda self, symbol: bytes(32)", "another one in memory than in the file"),
    ],
)
def test_a_wheel_or_machine_that_is_not_as_known_is_refused(change: str, said: str) -> None:
    found = refusal_in_child(f"import relens.engines.xnnpack as x\n{change}\nx.Xnnpack().limit(0xf)")
    assert found.startswith("RL-ENGINE-004") and said in found, found


def test_kernels_and_engines_that_are_not_known_are_refused() -> None:
    with pytest.raises(EngineTrouble, match=r"`neon` are not among sse4\.1, avx2"):
        limit("neon", ["litert"])
    with pytest.raises(EngineTrouble, match="how to keep the engine `tensorrt`"):
        limit("sse4.1", ["tensorrt"])


def cpu_flags() -> list[str]:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(line for line in lines if line.startswith("flags")).split()


def test_flags_are_held_against_what_linux_tells() -> None:
    goldmont = ("sse", "sse2", "ssse3", "sse4_1", "sse4_2")
    haswell = (*goldmont, "avx", "f16c", "fma", "avx2")
    assert implausible(0x0F, goldmont) is None
    assert implausible(0xFF, haswell) is None
    assert implausible(0xFF, goldmont) == "it has no avx"
    assert implausible(0x7F, haswell) == "it has avx2"
    assert implausible(0x2FF, haswell) == "it has no avx512f"
    assert implausible(0xFF | 1 << len(FLAGS), haswell) == "flags above avx512amx are unknown"
    assert implausible(0, ()) is None and implausible(0x0F, ()) == "it has no sse"


@pytest.mark.parametrize(
    ("kernel", "beyond"),
    [
        ("xnn_f32_gemm_minmax_ukernel_4x8__sse_load1", ()),
        ("xnn_qs8_qc8w_igemm_minmax_fp32_ukernel_3x4c8__sse41_ld64", ()),
        ("xnn_xx_copy_ukernel__scalar_memcpy", ()),
        ("xnn_qs8_qc4w_gemm_minmax_fp32_ukernel_1x4__scalar_fmagic", ()),
        ("xnn_f32_vexp_ukernel__sse2fma_rational_3_2_div_u8", ()),
        ("jit_sse42_1x1_I8", ()),
        ("xnn_f32_gemm_minmax_ukernel_6x16__asm_amd64_fma3_broadcast", ("sse4.1",)),
        ("xnn_f16_f32_vcvt_ukernel__f16c_u16", ("sse4.1",)),
        ("xnn_qs8_vmul_minmax_fp32_ukernel__avx_mul16_ld64_u16", ("sse4.1",)),
        ("xnn_qs8_packw_gemm_goi_ukernel_x8c8__avx2_madd", ("sse4.1",)),
        ("jit_avx2_dw_f32", ("sse4.1",)),
        ("xnn_f32_vadd_ukernel__avx512f_u32", ("sse4.1", "avx2")),
        ("xnn_qs8_qc8w_gemm_minmax_fp32_ukernel_5x8c8__avxvnni_prfm", ("sse4.1", "avx2")),
        ("xnn_qs8_to_qu8_packw_gemm_goi_ukernel_x16c8__avx256vnni", ("sse4.1", "avx2")),
        ("brgconv_avx512_amx_1x1_I8", ("sse4.1", "avx2")),
        ("brgconv_avx2_vnni_I8", ("sse4.1", "avx2")),
    ],
)
def test_what_a_kernel_needs_is_in_its_name(kernel: str, beyond: tuple[str, ...]) -> None:
    assert tuple(kernels for kernels in LEVELS if is_beyond(kernel, kernels)) == beyond


@needs_avx2
def test_every_kernel_of_the_wheel_tells_what_it_needs_in_known_words() -> None:
    """By their machine code (objdump), none of the wheel's kernels within "sse4.1" has an instruction of AVX."""
    more = [name for name, _ in FLAGS]
    known = {"scalar", "sse", "sse2", "sse2fma", "ssse3", "sse41", *more}
    for name in Xnnpack()._kernels.values():
        words = {*name.partition("ukernel__")[2].split("_"), *name.rpartition("__")[2].split("_")}
        if name.startswith("xnn_"):
            assert words & known, name
        assert is_beyond(name, "sse4.1") == bool(words & {*more[4:]}), name
        assert is_beyond(name, "avx2") == bool(words & {*more[8:]}), name


def test_what_stays_this_machines_own_is_told() -> None:
    layers = ("Convolution jit_sse42_f32", "FullyConnected gemm_mlas_f32", "Reduce jit_avx512_f32")
    report = EngineReport("openvino", "1", "jit_sse42", 1, (), 1, "f32", layers)
    assert unlimited("sse4.1", report) == layers[1:]
    assert unlimited("sse4.1", EngineReport("litert", "1", "XNNPACK", 2, ("TILE",), 1, "float32")) == ("TILE",)


def test_a_device_chooses_by_its_instruction_sets() -> None:
    deeplens = device("deeplens")
    assert kernels_of(deeplens) == "sse4.1"

    def like(*sets: str, architecture: str = "x86_64") -> Any:
        return deeplens.model_copy(update={"instruction_sets": sets, "architecture": architecture})

    server, desktop = like("sse4_1", "avx", "avx2", "avx512f", "avx512_vnni"), like("sse4_1", "avx", "avx2")
    assert choice(deeplens, server) == choice(deeplens, desktop) == Choice("sse4.1", True, True)
    assert choice(desktop, server) == Choice("avx2", True, True)
    assert choice(deeplens, deeplens) == Choice("sse4.1", False, True)
    assert choice(server, desktop) == Choice("avx512-vnni", True, False)
    assert choice(desktop, deeplens) == Choice("avx2", True, False)
    assert choice(like("asimd", architecture="aarch64"), server) == Choice("aarch64", True, False)
    assert choice(deeplens, like("asimd", architecture="aarch64")) == Choice("sse4.1", True, False)
