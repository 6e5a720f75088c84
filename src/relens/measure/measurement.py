"""Numbers with what makes them believable: how many, how sure, measured where."""

import os
import platform
from dataclasses import dataclass
from typing import Any

from relens.spec import this_machine


@dataclass(frozen=True)
class Measurement:
    """A value with its 95 % interval (or its own spread), unit, count and conditions."""

    name: str
    value: float
    unit: str
    n: int
    low: float
    high: float
    conditions: str

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4g} {self.unit} [{self.low:.4g}, {self.high:.4g}], n = {self.n}"


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
