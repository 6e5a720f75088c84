"""What the user asks for: `relens.toml`, device profiles, goals. Frozen, strict, no model in sight."""

from relens.spec.device import THIS_MACHINE, Device, device, profiles, this_machine
from relens.spec.project import (
    NAMED_SCALINGS,
    DataSpec,
    DeviceSpec,
    Goals,
    InputSpec,
    ModelSpec,
    OutputSpec,
    Project,
    Scaling,
    Task,
)
from relens.spec.recipe import (
    PRESETS,
    SCHEMES,
    ChannelsStep,
    DistilStep,
    HealStep,
    LayersStep,
    QatStep,
    RecipeSpec,
    RepairStep,
    Scheme,
    Step,
)
from relens.spec.strict import Strict, validate
from relens.spec.toml import load

__all__ = [
    "NAMED_SCALINGS",
    "PRESETS",
    "SCHEMES",
    "THIS_MACHINE",
    "ChannelsStep",
    "DataSpec",
    "Device",
    "DeviceSpec",
    "DistilStep",
    "Goals",
    "HealStep",
    "InputSpec",
    "LayersStep",
    "ModelSpec",
    "OutputSpec",
    "Project",
    "QatStep",
    "RecipeSpec",
    "RepairStep",
    "Scaling",
    "Scheme",
    "Step",
    "Strict",
    "Task",
    "device",
    "load",
    "profiles",
    "this_machine",
    "validate",
]
