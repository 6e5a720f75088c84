"""What the user asks for: `relens.toml`, device profiles, goals. Frozen, strict, no model in sight."""

from relens.spec.broker import BrokerSettings, TlsSettings
from relens.spec.camera import (
    AgentSettings,
    CameraSettings,
    KeepSettings,
    LinesSettings,
    MqttSettings,
    SampleSettings,
    SourceSettings,
    WebhookSettings,
    camera_settings,
)
from relens.spec.device import THIS_MACHINE, Device, device, profiles, this_machine
from relens.spec.events import EventRule, EventRules
from relens.spec.latency import LatencyModel, Rates, Transfer
from relens.spec.page import PageSettings
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
    "AgentSettings",
    "BrokerSettings",
    "CameraSettings",
    "ChannelsStep",
    "DataSpec",
    "Device",
    "DeviceSpec",
    "DistilStep",
    "EventRule",
    "EventRules",
    "Goals",
    "HealStep",
    "InputSpec",
    "KeepSettings",
    "LatencyModel",
    "LayersStep",
    "LinesSettings",
    "ModelSpec",
    "MqttSettings",
    "OutputSpec",
    "PageSettings",
    "Project",
    "QatStep",
    "Rates",
    "RecipeSpec",
    "RepairStep",
    "SampleSettings",
    "Scaling",
    "Scheme",
    "SourceSettings",
    "Step",
    "Strict",
    "Task",
    "TlsSettings",
    "Transfer",
    "WebhookSettings",
    "camera_settings",
    "device",
    "load",
    "profiles",
    "this_machine",
    "validate",
]
