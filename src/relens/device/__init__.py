"""On the camera: acceptance, the live loop, the live page. Needs neither TensorFlow nor Keras."""

from relens.device.acceptance import Acceptance, accept
from relens.device.camera import Camera, open_camera
from relens.device.checks import Check
from relens.device.loop import LiveFrame, LiveLoop, LoopStatus
from relens.device.run import Summary, run

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
