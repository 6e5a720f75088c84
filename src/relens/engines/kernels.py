"""The kernels another processor would choose: which they are, and how to keep the engines of this process to them.

An engine asks the processor what it can do and picks its kernels by the answer. An Atom without AVX gets other ones
than a workstation, and int8 against float may come out the other way round there. Kernels for the lesser processor run
on this one just as well; so relative speeds (not milliseconds) can be had without the device, and so can what depends
on the kernel chosen: OpenVINO's int8 saturates on "sse4.1" and "avx2" as on any processor without VNNI.

What is kept to the named kernels, and what is not:
    litert      all that XNNPACK runs. Operators outside of it (`EngineReport.fallback_ops`) are not.
    openvino    what oneDNN runs: convolutions, most matrix products, pooling, element-wise operators. Not its own
                just-in-time kernels (reductions, FakeQuantize, fused subgraphs), nor MLAS (float matrix products):
                those stay AVX2 or AVX-512. What the compiler decides by the processor itself stays this machine's too.
    TensorFlow  is not, should it be in the same process.
"""

import os
import platform
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from relens.engines import EngineReport
from relens.errors import EngineTrouble
from relens.spec import Device, this_machine

NATIVE = "native"
ONEDNN_VARIABLE = "ONEDNN_MAX_CPU_ISA"
_X86 = ("x86_64", "AMD64")
_STEPS = (
    ("avx512_vnni", "avx512-vnni"),
    ("avx512f", "avx512"),
    ("avx_vnni", "avx2-vnni"),
    ("avx2", "avx2"),
    ("avx", "avx"),
    ("sse4_1", "sse4.1"),
)


@dataclass(frozen=True)
class Level:
    """Kernels up to an instruction set.

    flags: the bits of `xnnpack.FLAGS`. onednn: its value of ONEDNN_MAX_CPU_ISA. beyond: how parts of the names of
    kernels begin that need more. needs: what this machine must have to run them.
    """

    flags: int
    onednn: str
    beyond: tuple[str, ...]
    needs: str


LEVELS = {
    "sse4.1": Level(0x0F, "SSE41", ("avx", "f16c", "fma3", "amx", "vnni"), "sse4_1"),
    "avx2": Level(0xFF, "AVX2", ("avx512", "avx256", "avxvnni", "amx", "vnni"), "avx2"),
}
"""By the names that `kernels_of` gives."""


@dataclass(frozen=True)
class Choice:
    """The kernels engines choose on a device, and whether this machine has to emulate them, and can."""

    kernels: str
    must_emulate: bool
    can_emulate: bool


def kernels_of(device: Device) -> str:
    """The best kernels engines choose on a device: "sse4.1" on x86 without AVX, elsewhere its architecture."""
    has = frozenset(device.instruction_sets)
    if device.architecture not in _X86:
        return f"{device.architecture} with dot products" if "asimddp" in has else device.architecture
    return next((kernels for name, kernels in _STEPS if name in has), "sse2")


def choice(device: Device, host: Device | None = None) -> Choice:
    """Which kernels a device's engines choose, beside those of `host`, by default this machine."""
    here = host or this_machine()
    kernels = kernels_of(device)
    level = LEVELS.get(kernels)
    can = level is not None and here.architecture in _X86 and level.needs in here.instruction_sets
    return Choice(kernels, kernels != kernels_of(here), can)


def limit(kernels: str, engines: Sequence[str]) -> None:
    """Keep the engines named to kernels of a lesser processor, for the rest of this process. It must be a fresh one.

    Args:
        kernels: one of `LEVELS`.
        engines: "litert", "openvino" or both. Any other one is not known how to be limited.

    Raises:
        EngineTrouble: RL-ENGINE-004 when that cannot be done, or not be made sure of.
    """
    level = LEVELS.get(kernels)
    if level is None:
        raise _refusal(f"the kernels `{kernels}` are not among {', '.join(LEVELS)}")
    strange = sorted({*engines} - {"litert", "openvino"})
    if strange:
        raise _refusal(f"it is not known how to keep the engine `{strange[0]}` to them")
    if "openvino" in engines:
        _limit_onednn(level)
    if "litert" in engines:
        from relens.engines.xnnpack import Xnnpack

        Xnnpack().limit(level.flags)


def confirm(kernels: str, reports: Iterable[EngineReport]) -> None:
    """Make sure, after they ran, that the engines kept to the kernels they were limited to.

    Raises:
        EngineTrouble: RL-ENGINE-004 with a kernel's name when one did not, or when none can be seen.
    """
    for report in reports:
        chosen = _chosen(report)
        wrong = sorted(name for name in chosen if is_beyond(name, kernels))
        if wrong:
            raise _refusal(f"{report.engine} chose {wrong[0]} all the same, and {len(wrong) - 1} more")


def unlimited(kernels: str, report: EngineReport) -> tuple[str, ...]:
    """Operators of a loaded graph that run on this machine's own kernels all the same; each as often as it is there."""
    own = (kernel for kernel in report.kernels if is_beyond(kernel, kernels) or "mlas" in kernel)
    return (*report.fallback_ops, *own)


def is_beyond(kernel: str, kernels: str) -> bool:
    """Whether a kernel, by its name, needs more than `kernels` may: "xnn_f32_vadd_ukernel__avx512f_u32"."""
    return any(part.startswith(LEVELS[kernels].beyond) for part in re.split(r"[^a-z0-9]+", kernel.lower()))


def _chosen(report: EngineReport) -> frozenset[str]:
    """Names of the kernels behind a report that a limit must have reached."""
    if report.engine == "litert":
        from relens.engines.xnnpack import Xnnpack

        chosen = Xnnpack().chosen()
        if report.partitions and not chosen:
            raise _refusal("LiteRT runs its delegate, and no kernel is to be seen in its tables")
        return chosen
    from relens.engines.openvino import COMPUTE_LAYERS

    pairs = (kernel.split(maxsplit=1) for kernel in report.kernels)
    return frozenset(name for layer, name in pairs if layer in COMPUTE_LAYERS)


def _limit_onednn(level: Level) -> None:
    if "openvino" in sys.modules and os.environ.get(ONEDNN_VARIABLE) != level.onednn:
        raise _refusal("OpenVINO is loaded in this process already")
    if platform.machine() not in _X86:
        raise _refusal("oneDNN takes such a limit on x86-64 only")
    os.environ[ONEDNN_VARIABLE] = level.onednn


def _refusal(why: str) -> EngineTrouble:
    return EngineTrouble(
        "RL-ENGINE-004",
        f"the engines cannot be kept to other kernels than this machine's: {why}",
        hint="measure on the device: relens verify BUNDLE",
    )
