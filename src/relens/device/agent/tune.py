"""The number of engine threads for a bundle on this machine, measured in a process of its own: what that takes must not
count against a memory goal.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from relens.device.agent.apart import answer, ask_apart
from relens.errors import RelensError

if TYPE_CHECKING:
    from relens.bundle import Bundle

TIMEOUT_S = 60


def tuned_threads(bundle: "Bundle") -> int | None:
    """What suits it here; None where that cannot be told: its acceptance then says why."""
    from relens.device.threads import thread_choices
    from relens.spec import this_machine

    if bundle.manifest.needs.threads:
        return bundle.manifest.needs.threads
    choices = thread_choices(this_machine().cores)
    if len(choices) == 1:
        return choices[0]
    late = f"its threads were not chosen after {TIMEOUT_S} s"
    try:
        said = ask_apart(__name__, bundle.path, *choices, name=bundle.manifest.name, timeout_s=TIMEOUT_S, late=late)
        return int(said["threads"])
    except (RelensError, KeyError):
        return None


def main() -> None:
    """Choose for the bundle on the command line, among the numbers after it."""
    from relens.bundle import open_bundle
    from relens.device.threads import fewest_that_pay, measure_threads

    file, choices = Path(sys.argv[1]), [int(count) for count in sys.argv[2:]]
    try:
        medians_ms = measure_threads(open_bundle(file, file.parent), choices)
        answer({"threads": fewest_that_pay(medians_ms), "median_ms": medians_ms})
    except (RelensError, IndexError):  # it does not run here, or has no golden frames
        answer({})


if __name__ == "__main__":
    main()
