"""Whether the engines can run on this processor."""

import os
import platform
import sys
from pathlib import Path

from relens.device.doctor.finding import Finding, fine, unknown, wrong

CPUINFO = Path("/proc/cpuinfo")
NEEDED = {
    # What NumPy's wheels are built for, x86-64-v2; LiteRT and OpenVINO choose their kernels by what there is beyond.
    "x86_64": ("cx16", "lahf_lm", "pni", "popcnt", "ssse3", "sse4_1", "sse4_2"),
    "aarch64": ("asimd",),
}
TOLD = ("sse4_1", "avx", "avx2", "avx512f", "avx512_vnni", "avx_vnni", "asimd", "asimddp")
"""What makes a difference in speed; all but the first of each kind may be missing."""


def check_processor(cpuinfo: Path = CPUINFO, architecture: str = "", bits: int = 0) -> Finding:
    """Its instruction sets, beside what the engines need at least.

    Args:
        cpuinfo: as Linux writes it.
        architecture: empty: this machine's.
        bits: 32 or 64, of the Python that asks; 0: this one's.
    """
    architecture, bits = architecture or platform.machine(), bits or sys.maxsize.bit_length() + 1
    needed = NEEDED.get(architecture)
    if needed is None or bits != 64:
        return wrong(
            "processor",
            f"no engine runs on {architecture} with a {bits}-bit Python",
            "install a 64-bit system for x86-64 or ARM: on a Raspberry Pi from 3 on, Raspberry Pi OS 64-bit",
        )
    model, has = read_cpuinfo(cpuinfo)
    if not has:
        return unknown("processor", f"{architecture}; {cpuinfo} does not tell its instruction sets")
    missing = [name for name in needed if name not in has]
    if missing:
        return wrong(
            "processor",
            f"{model} has no {', '.join(missing)}, which NumPy needs",
            "take a processor with x86-64-v2; in a virtual machine, show it the host's processor (-cpu host)",
        )
    cores = len(os.sched_getaffinity(0))
    return fine("processor", f"{model}, {cores} core(s): {' '.join(name for name in TOLD if name in has)}")


def read_cpuinfo(cpuinfo: Path) -> tuple[str, frozenset[str]]:
    """The processor's name and its instruction sets as Linux names them; none where the file does not tell."""
    try:
        rows = [line.partition(":") for line in cpuinfo.read_text(encoding="utf-8").splitlines()]
    except OSError:
        return "", frozenset()
    fields = {key.strip(): value.strip() for key, _, value in rows}
    flags = fields.get("flags", fields.get("Features", "")).split()
    return fields.get("model name", f"a processor of {platform.machine()}"), frozenset(flags)
