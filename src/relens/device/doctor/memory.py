"""Whether agent and bundle find enough memory."""

from pathlib import Path

from relens.device.doctor.finding import Finding, fine, unknown, wrong

MEMINFO, LIMIT = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
AGENT_MB, BUNDLE_MB = 43, 148
"""As measured with a webhook, and with a small classifier, its page and a viewer (docs/measurements.md)."""
SHARE = 0.75
"""Of all memory, what the service lets agent and bundle take (`MemoryMax=`)."""


def check_memory(
    bundle_mb: float | None = None, running: bool = False, meminfo: Path = MEMINFO, limit: Path = LIMIT
) -> Finding:
    """What is free, beside what agent, bundle, and the next bundle while it is judged, take.

    Args:
        bundle_mb: what the bundle takes, in 1e6 bytes; None: a small one.
        running: whether agent and bundle have theirs already.
        meminfo, limit: as Linux writes them.
    """
    try:
        rows = [line.split() for line in meminfo.read_text(encoding="ascii").splitlines()]
    except OSError:
        return unknown("memory", f"{meminfo} cannot be read")
    sizes = {row[0].rstrip(":"): int(row[1]) * 1024 / 1e6 for row in rows if len(row) > 1}
    if not {"MemAvailable", "MemTotal"} <= sizes.keys():
        return unknown("memory", f"{meminfo} does not tell what is available")
    free, total = sizes["MemAvailable"], min(sizes["MemTotal"], read_limit(limit))
    next_mb = bundle_mb or BUNDLE_MB
    whole = AGENT_MB + 2 * next_mb
    if SHARE * total < whole:
        return wrong(
            "memory",
            f"of {total:.0f} MB in all a service may take {SHARE * total:.0f}; agent and bundles need {whole:.0f}",
            "build a smaller bundle ([goals] max_memory_mb), or give the machine or container more memory",
        )
    needed = next_mb if running else whole
    if free < needed:
        return wrong(
            "memory",
            f"{free:.0f} MB are available, {needed:.0f} are needed",
            "ps -eo rss,pid,args --sort=-rss | head    # shows who has it",
        )
    return fine("memory", f"{free:.0f} MB of {total:.0f} are available, {needed:.0f} are needed")


def read_limit(limit: Path) -> float:
    """What a container or service may take, in 1e6 bytes; infinite where nothing is said."""
    try:
        return int(limit.read_text(encoding="ascii")) / 1e6
    except (OSError, ValueError):  # "max"
        return float("inf")
