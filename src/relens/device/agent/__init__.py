"""What stays on the camera: takes bundles in, runs one, watches it, and goes back by itself when it fails."""

from relens.device.agent.install import install
from relens.device.agent.overview import Overview, overview
from relens.device.agent.service import service_unit
from relens.device.agent.standing import Standing
from relens.device.agent.store import Store
from relens.device.agent.supervisor import Patience, Supervisor

__all__ = ["Overview", "Patience", "Standing", "Store", "Supervisor", "install", "overview", "service_unit"]
