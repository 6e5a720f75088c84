"""On the camera: acceptance, the live loop, the live page. Needs neither TensorFlow nor Keras."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relens.device.acceptance import Acceptance, accept
    from relens.device.camera import Camera, open_camera
    from relens.device.checks import Check
    from relens.device.foreground import Summary, run
    from relens.device.loop import LiveFrame, LiveLoop, LoopStatus

_HOMES = {
    "acceptance": ("Acceptance", "accept"),
    "camera": ("Camera", "open_camera"),
    "checks": ("Check",),
    "loop": ("LiveFrame", "LiveLoop", "LoopStatus"),
    "foreground": ("Summary", "run"),
}

__all__ = [
    "Acceptance",
    "Camera",
    "Check",
    "LiveFrame",
    "LiveLoop",
    "LoopStatus",
    "Summary",
    "accept",
    "open_camera",
    "run",
]


def __getattr__(name: str) -> Any:
    # The agent outlives every bundle and needs no engine, camera or server: it must not load them to stay small.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"relens.device.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
