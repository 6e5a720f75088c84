"""Acceptance in a process of its own: its memory is that of a fresh start, and what it dies of is a refusal."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from relens.errors import DeviceTrouble, RelensError

TIMEOUT_S = 180


def accept_apart(file: Path, name: str) -> dict[str, Any]:
    """Run a stored bundle's golden frames here, in another process; what it found, as plain values.

    Raises:
        DeviceTrouble: RL-DEVICE-003 when this machine refuses the bundle, whatever it takes to do so.
        EngineTrouble: as `relens.device.accept`.
    """
    command = [sys.executable, "-m", "relens.device.agent.examine", str(file)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise refusal(name, f"its golden frames were not done after {TIMEOUT_S} s") from None
    found = said_last(done, name)
    if "refused" in found:
        raise refusal(name, found["refused"])
    return found


def said_last(done: "subprocess.CompletedProcess[str]", name: str) -> dict[str, Any]:
    """The JSON object on the last line of a process's output.

    Raises:
        DeviceTrouble: RL-DEVICE-003 when there is none: it died of the bundle.
    """
    try:
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        end = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise refusal(name, f"the process ended with {end}: {done.stderr.strip()[-300:]}") from None
    return said


def refusal(name: str, why: str) -> DeviceTrouble:
    """This machine does not take a bundle."""
    return DeviceTrouble(
        "RL-DEVICE-003", f"{name}: {why}", hint="build it for this machine's profile and engine: relens build"
    )


def main() -> None:
    """Accept the bundle named on the command line; one JSON object on the last line."""
    from relens.bundle import open_bundle
    from relens.device.acceptance import accept

    file = Path(sys.argv[1])
    try:
        acceptance = accept(open_bundle(file, file.parent))
        wrong = [
            f"{one.name}: expected {one.expected}, found {one.found}" for one in acceptance.checks if not one.passed
        ]
        said: dict[str, Any] = {"refused": "; ".join(wrong)} if wrong else acceptance.to_json()
    except RelensError as trouble:
        said = {"refused": trouble.message}
    sys.stdout.write("\n" + json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
