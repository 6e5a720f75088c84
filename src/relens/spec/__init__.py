"""What the user asks for: `relens.toml`, device profiles, goals. Frozen, strict, no model in sight."""

from relens.spec.device import THIS_MACHINE, Device, device, profiles, this_machine
from relens.spec.project import (
    NAMED_SCALINGS,
    SCHEMES,
    DataSpec,
    DeviceSpec,
    Goals,
    InputSpec,
    ModelSpec,
    OutputSpec,
    Project,
    RecipeSpec,
    Scaling,
    Scheme,
    Task,
)
from relens.spec.strict import Strict, validate
from relens.spec.toml import load

__all__ = [
    "NAMED_SCALINGS",
    "SCHEMES",
    "THIS_MACHINE",
    "DataSpec",
    "Device",
    "DeviceSpec",
    "Goals",
    "InputSpec",
    "ModelSpec",
    "OutputSpec",
    "Project",
    "RecipeSpec",
    "Scaling",
    "Scheme",
    "Strict",
    "Task",
    "device",
    "load",
    "profiles",
    "this_machine",
    "validate",
]
