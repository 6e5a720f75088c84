"""XNNPACK inside LiteRT's wheel, in this process: the kernels it may choose, and those it has chosen.

XNNPACK has no switch for this. It asks the processor once, keeps the answer as flags in `hardware_config`, and fills a
table of kernels ("config") an operator when it first needs one. So the flags are cleared in memory before that, and
afterwards the tables are read back: their pointers, by the library's own symbol table, are the kernels' names.
The layout is that of src/xnnpack/hardware-config.h in google/XNNPACK as of the wheel ai-edge-litert 2.3.0; anything
that is not as there is refused. Two things are this machine's still: the sizes of the caches beside the flags, and all
that is not XNNPACK (`EngineReport.fallback_ops`).
"""

import ctypes
import platform
import sys
from collections.abc import Collection
from importlib import import_module
from pathlib import Path

import numpy as np

from relens.engines.elf import Library, Symbol
from relens.errors import EngineTrouble

LIBRARY = "libpywrap_litert_common.so"
INITIALIZER = "xnn_init_hardware_config"
CONFIG = "hardware_config"
MAPS, CPUINFO = Path("/proc/self/maps"), Path("/proc/cpuinfo")
FEWEST_KERNELS = 100
"""The wheel has 1336; far fewer mean that their naming has changed."""

_SKX = ("avx512f", "avx512bw", "avx512dq", "avx512vl")
_VNNI = (*_SKX, "avx512_vnni")
FLAGS = (
    ("sse", ("sse",)),
    ("sse2", ("sse2",)),
    ("ssse3", ("ssse3",)),
    ("sse4_1", ("sse4_1",)),
    ("avx", ("avx",)),
    ("f16c", ("f16c",)),
    ("fma3", ("fma",)),
    ("avx2", ("avx2",)),
    ("avx256skx", _SKX),
    ("avx512f", ("avx512f",)),
    ("avx512skx", _SKX),
    ("avx512vbmi", (*_SKX, "avx512vbmi")),
    ("avx512fp16", ("avx512_fp16",)),
    ("avx512bf16", ("avx512_bf16",)),
    ("avxvnni", ("avx2", "avx_vnni")),
    ("avxvnniint8", ("avx2",)),
    ("avx256vnni", _VNNI),
    ("avx256vnnigfni", (*_VNNI, "gfni")),
    ("avx512vnni", _VNNI),
    ("avx512vnnigfni", (*_VNNI, "gfni")),
    ("avx512amx", (*_VNNI, "gfni", "amx_int8")),
)
"""XNNPACK's flags from bit 0 on, each with what Linux must tell of a processor that has it."""
ALWAYS_TOLD = 8
"""So many flags are set exactly where the processor has them; those above may be left out of a build."""


class _HardwareConfig(ctypes.Structure):
    _fields_ = (("uarch", ctypes.c_uint32), ("arch_flags", ctypes.c_uint64), ("caches", ctypes.c_uint64 * 8))


class Xnnpack:
    """The library as it is loaded in this process.

    Raises:
        EngineTrouble: RL-ENGINE-004 when the library is not the one this module knows.
    """

    def __init__(self) -> None:
        if (sys.platform, platform.machine()) != ("linux", "x86_64"):
            raise _refusal("only on Linux on x86-64 is it known where its processor flags are")
        import_module("ai_edge_litert.interpreter")
        path, self._base, code = _mapping(MAPS.read_text(encoding="utf-8"))
        try:
            self._library = Library.read(path)
        except (OSError, ValueError) as trouble:
            raise _refusal(f"{path.name} does not tell its names: {trouble}") from None
        self._kernels = {
            self._base + symbol.address: name
            for name, symbol in self._library.symbols.items()
            if symbol.is_function and "ukernel" in name
        }
        config, start = self._library.symbols.get(CONFIG), self._library.symbols.get(INITIALIZER)
        if config is None or start is None or len(self._kernels) < FEWEST_KERNELS:
            raise _refusal(f"{path.name} has not the names {CONFIG}, {INITIALIZER} and those of its kernels")
        if config.size != ctypes.sizeof(_HardwareConfig):
            raise _refusal(f"{CONFIG} has {config.size} bytes where {ctypes.sizeof(_HardwareConfig)} are known")
        self._check_code(start, code)
        self._config_address = self._base + config.address
        self._start_address = self._base + start.address

    def _check_code(self, function: Symbol, code: range) -> None:
        """That the file read is the library loaded: it would be another after an update under a running process."""
        address = self._base + function.address
        in_file = self._library.bytes_of(function)
        if not in_file or address not in code or address + len(in_file) > code.stop:
            raise _refusal(f"{INITIALIZER} is not in the code that is loaded")
        if ctypes.string_at(address, len(in_file)) != in_file:
            raise _refusal(f"{INITIALIZER} is another one in memory than in the file")

    def flags(self) -> int:
        """The flags XNNPACK goes by, as `FLAGS` numbers them. Has it ask the processor if it has not yet.

        Raises:
            EngineTrouble: RL-ENGINE-004 when XNNPACK does not say where its flags are as expected.
        """
        told = ctypes.CFUNCTYPE(ctypes.c_void_p)(self._start_address)()
        if told != self._config_address:
            raise _refusal(f"{INITIALIZER} points to another place than {CONFIG}")
        return int(_HardwareConfig.from_address(self._config_address).arch_flags)

    def limit(self, allowed: int) -> None:
        """Leave it only the flags in `allowed`, for the rest of this process.

        Raises:
            EngineTrouble: RL-ENGINE-004 when kernels are chosen already, when the flags are not what this processor
                has, or when it lacks one of those allowed.
        """
        if self.chosen():
            raise _refusal("it has chosen kernels in this process already")
        before = self.flags()
        odd = implausible(before, _processor(CPUINFO))
        if odd:
            raise _refusal(f"its flags {before:#x} are not those of this processor: {odd}")
        if before & allowed != allowed:
            raise _refusal(f"this processor (flags {before:#x}) has not all that the kernels need ({allowed:#x})")
        _HardwareConfig.from_address(self._config_address).arch_flags = allowed
        if self.flags() != allowed:
            raise _refusal("its flags do not keep what is written to them")

    def chosen(self) -> frozenset[str]:
        """Names of the kernels that stand in XNNPACK's tables now, as `xnn_f32_gemm_minmax_ukernel_4x8__sse_load1`."""
        address, size = self._library.zeroed
        words = np.frombuffer(ctypes.string_at(self._base + address, size // 8 * 8), np.uint64)
        return frozenset(self._kernels[int(word)] for word in words[words != 0] if int(word) in self._kernels)


def implausible(flags: int, processor: Collection[str]) -> str | None:
    """The first thing that speaks against `flags` being XNNPACK's flags on a processor; None if nothing does.

    Args:
        flags: read from memory.
        processor: what Linux tells of it, the names under `flags` in /proc/cpuinfo.
    """
    for bit, (name, needs) in enumerate(FLAGS):
        has, told = all(need in processor for need in needs), bool(flags >> bit & 1)
        if told and not has:
            return f"it has no {name}"
        if has and not told and bit < ALWAYS_TOLD:
            return f"it has {name}"
    return f"flags above {FLAGS[-1][0]} are unknown" if flags >> len(FLAGS) else None


def _mapping(maps: str) -> tuple[Path, int, range]:
    """Where the library is loaded: its file, the address of its first byte, and the addresses of its code."""
    rows = [line.split(maxsplit=5) for line in maps.splitlines()]
    mine = [row for row in rows if len(row) == 6 and Path(row[5]).name == LIBRARY]
    base = [int(row[0].partition("-")[0], 16) for row in mine if int(row[2], 16) == 0]
    code = [range(*(int(end, 16) for end in row[0].split("-"))) for row in mine if "x" in row[1]]
    if len(base) != 1 or len(code) != 1:
        raise _refusal(f"{LIBRARY} is not loaded, or not in the known way")
    return Path(mine[0][5]), base[0], code[0]


def _processor(cpuinfo: Path) -> frozenset[str]:
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())


def _refusal(why: str) -> EngineTrouble:
    return EngineTrouble(
        "RL-ENGINE-004",
        f"XNNPACK cannot be kept to other kernels than this machine's: {why}",
        hint="measure on the device; for emulation: pip install ai-edge-litert==2.3.0",
    )
