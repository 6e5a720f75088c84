"""What stays on the camera: takes bundles in, runs one, watches it, and goes back by itself when it fails."""

from typing import TYPE_CHECKING

from relens.lazy import on_first_use

if TYPE_CHECKING:
    from relens.device.agent.arrival import install
    from relens.device.agent.inventory import Overview, overview
    from relens.device.agent.service import service_unit
    from relens.device.agent.standing import Standing
    from relens.device.agent.status import CameraStatus, camera_status
    from relens.device.agent.store import Store
    from relens.device.agent.supervisor import Patience, Supervisor
    from relens.device.agent.trial import wait_confirmed

__all__ = [
    "CameraStatus",
    "Overview",
    "Patience",
    "Standing",
    "Store",
    "Supervisor",
    "camera_status",
    "install",
    "overview",
    "service_unit",
    "wait_confirmed",
]

# Modules in here are processes, too (`python -m relens.device.agent.worker`): each loads what it needs.
__getattr__ = on_first_use(
    __name__,
    {
        "arrival": ["install"],
        "inventory": ["Overview", "overview"],
        "service": ["service_unit"],
        "standing": ["Standing"],
        "status": ["CameraStatus", "camera_status"],
        "store": ["Store"],
        "supervisor": ["Patience", "Supervisor"],
        "trial": ["wait_confirmed"],
    },
)
