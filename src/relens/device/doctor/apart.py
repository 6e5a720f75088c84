"""Trying something in a process of its own, which may crash or hang."""

import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from relens.device.agent.process import environment


@dataclass(frozen=True)
class Outcome:
    """How it ended. trouble: None where it worked, else why not, in a line. said: what it wrote to stdout."""

    trouble: str | None
    said: str = ""


def attempt(command: Sequence[str], seconds: float, question: str = "") -> Outcome:
    """Run a command; its failure is a result like any other.

    Args:
        command: a program with its arguments.
        seconds: when it is killed.
        question: what it reads on stdin.
    """
    try:
        done = subprocess.run(
            command, input=question, capture_output=True, text=True, errors="replace", timeout=seconds, check=False,
            env=environment(),
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome(f"nothing came within {seconds:.0f} s")
    except OSError as trouble:
        return Outcome(f"{command[0]}: {trouble.strerror}")
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        why = ": this processor lacks an instruction that it needs" if name == "SIGILL" else ""
        return Outcome(f"its process died of {name}{why}")
    if done.returncode:
        return Outcome((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1], done.stdout)
    return Outcome(None, done.stdout)
