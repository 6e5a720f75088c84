"""What stays on the camera: takes bundles in, runs one, watches it, and goes back by itself when it fails."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relens.device.agent.arrival import install
    from relens.device.agent.inventory import Overview, overview
    from relens.device.agent.service import service_unit
    from relens.device.agent.standing import Standing
    from relens.device.agent.store import Store
    from relens.device.agent.supervisor import Patience, Supervisor

__all__ = ["Overview", "Patience", "Standing", "Store", "Supervisor", "install", "overview", "service_unit"]

_HOMES = {
    "arrival": ("install",),
    "inventory": ("Overview", "overview"),
    "service": ("service_unit",),
    "standing": ("Standing",),
    "store": ("Store",),
    "supervisor": ("Patience", "Supervisor"),
}


def __getattr__(name: str) -> Any:
    # Modules in here are processes, too (`python -m relens.device.agent.worker`): each loads what it needs.
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"relens.device.agent.{home}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
