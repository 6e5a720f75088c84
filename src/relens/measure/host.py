"""The machine that measurements were made on."""

import os
import platform
from typing import Any

from relens.spec import this_machine


def host_fingerprint() -> dict[str, Any]:
    """What this machine is, for the report beside a bundle: processor, kernel, load at this moment."""
    machine = this_machine()
    return {
        "processor": machine.processor,
        "cores": machine.cores,
        "memory_mb": machine.memory_mb,
        "instruction_sets": list(machine.instruction_sets),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }
