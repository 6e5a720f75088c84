"""The live page: picture, predictions and health of a running loop, in a browser. Closed without its token."""

from relens.device.live.hub import About
from relens.device.live.server import LivePage
from relens.device.live.side import CameraSide

__all__ = ["About", "CameraSide", "LivePage"]
