"""What a bundle is asked in a process of its own: what it dies of is a refusal, and its memory is free again."""

import json
import subprocess
import sys
from typing import Any

from relens.errors import DeviceTrouble


def ask_apart(module: str, *arguments: object, name: str, timeout_s: float, late: str) -> dict[str, Any]:
    """Run a module, and take what it `answer`ed.

    Args:
        module: run with `python -m`.
        arguments: its command line.
        name: of the bundle, for errors.
        timeout_s: it may take so long.
        late: what is said of it when it takes longer.

    Raises:
        DeviceTrouble: RL-DEVICE-003 when it takes longer, or dies without an answer.
    """
    command = [sys.executable, "-m", module, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise refusal(name, late) from None
    try:
        said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        end = f"signal {-done.returncode}" if done.returncode < 0 else f"exit code {done.returncode}"
        raise refusal(name, f"the process ended with {end}: {done.stderr.strip()[-300:]}") from None
    return said


def answer(said: dict[str, Any]) -> None:
    """Say it to `ask_apart`: one JSON object on the last line."""
    sys.stdout.write("\n" + json.dumps(said) + "\n")


def refusal(name: str, why: str) -> DeviceTrouble:
    """This machine does not take a bundle."""
    return DeviceTrouble(
        "RL-DEVICE-003", f"{name}: {why}", hint="build it for this machine's profile and engine: relens build"
    )
