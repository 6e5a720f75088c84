"""On the camera: acceptance, the live loop, the live page. Needs neither TensorFlow nor Keras."""

from typing import TYPE_CHECKING

from relens.lazy import on_first_use

if TYPE_CHECKING:
    from relens.device.acceptance import Acceptance, accept
    from relens.device.camera import Camera, open_camera
    from relens.device.checks import Check
    from relens.device.foreground import Summary, run
    from relens.device.loop import LiveFrame, LiveLoop, LoopStatus

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

# The agent outlives every bundle and needs no engine, camera or server: it must not load them to stay small.
__getattr__ = on_first_use(
    __name__,
    {
        "acceptance": ["Acceptance", "accept"],
        "camera": ["Camera", "open_camera"],
        "checks": ["Check"],
        "loop": ["LiveFrame", "LiveLoop", "LoopStatus"],
        "foreground": ["Summary", "run"],
    },
)
