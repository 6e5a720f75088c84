"""What a child process that runs engines failed of, as an error of this process."""

import signal

from relens import errors
from relens.errors import EngineTrouble, RelensError


def told(failure: RelensError) -> list[str]:
    """A failure as plain values, for the parent to raise."""
    return [type(failure).__name__, failure.code, failure.message, failure.hint]


def heard(values: list[str]) -> RelensError:
    """The failure that a child has told."""
    kind, code, message, hint = values
    error: RelensError = getattr(errors, kind)(code, message, hint=hint)
    return error


def ended(returncode: int, log: str) -> EngineTrouble:
    """The failure of a child that ended without a word: by a signal, or with something unforeseen in its log."""
    if returncode < 0:
        return EngineTrouble(
            "RL-ENGINE-004",
            f"the process limited to other kernels died of {signal.Signals(-returncode).name}",
            hint="measure on the device: relens verify BUNDLE",
        )
    last = (log.strip().splitlines() or ["no message"])[-1]
    return EngineTrouble("RL-ENGINE-002", f"an engine failed in a fresh process: {last}", hint="relens doctor")
