"""What this process takes of the machine's memory."""

from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")


@dataclass(frozen=True)
class ProcessMemory:
    """Resident memory of this process, now and at its highest; MB = 1e6 bytes."""

    resident_mb: float
    peak_mb: float


def process_memory() -> ProcessMemory:
    """Read VmRSS and VmHWM, which the kernel counts in KiB; zeros where there is no /proc."""
    if not STATUS.exists():
        return ProcessMemory(0.0, 0.0)
    lines = (line.split() for line in STATUS.read_text(encoding="ascii", errors="replace").splitlines())
    fields = {words[0]: int(words[1]) * 1024 / 1e6 for words in lines if words[0] in ("VmRSS:", "VmHWM:")}
    return ProcessMemory(fields.get("VmRSS:", 0.0), fields.get("VmHWM:", 0.0))
