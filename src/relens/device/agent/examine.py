"""Acceptance in a process of its own: its memory is that of a fresh start, and what it dies of is a refusal."""

import sys
from pathlib import Path
from typing import Any

from relens.device.agent.apart import answer, ask_apart, refusal
from relens.errors import RelensError

TIMEOUT_S = 180


def accept_apart(file: Path, name: str, threads: int | None = None) -> dict[str, Any]:
    """Run a stored bundle's golden frames here, in another process; what it found, as plain values.

    threads: of the engine; None takes the manifest's, or all cores but one.

    Raises:
        DeviceTrouble: RL-DEVICE-003 when this machine refuses the bundle, whatever it takes to do so.
    """
    late = f"its golden frames were not done after {TIMEOUT_S} s"
    found = ask_apart(__name__, file, threads or 0, name=name, timeout_s=TIMEOUT_S, late=late)
    if "refused" in found:
        raise refusal(name, found["refused"])
    return found


def main() -> None:
    """Accept the bundle on the command line, with the number of threads after it; 0 leaves that open."""
    from relens.bundle import open_bundle
    from relens.device.acceptance import accept

    file, threads = Path(sys.argv[1]), int(sys.argv[2])
    try:
        acceptance = accept(open_bundle(file, file.parent), threads=threads or None)
        wrong = [
            f"{one.name}: expected {one.expected}, found {one.found}" for one in acceptance.checks if not one.passed
        ]
        answer({"refused": "; ".join(wrong)} if wrong else acceptance.to_json())
    except RelensError as trouble:
        answer({"refused": trouble.message})


if __name__ == "__main__":
    main()
