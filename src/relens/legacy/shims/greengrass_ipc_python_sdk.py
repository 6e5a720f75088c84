"""`greengrass_ipc_python_sdk`: the line to a Greengrass core, which is not here; it can be imported, not used."""

from types import ModuleType
from typing import Any

from relens.errors import LegacyTrouble
from relens.legacy.link import current


class IPCException(Exception):
    """What the core's line raises."""


class IPCClient:
    """Refuses to be made."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        trouble = LegacyTrouble(
            "RL-LEGACY-011",
            "the function opens a line to a Greengrass core, and there is none",
            hint="let it use greengrasssdk.client('iot-data').publish",
        )
        current().trouble(trouble)
        raise trouble


ipc_client = ModuleType("greengrass_ipc_python_sdk.ipc_client")
ipc_client.IPCClient, ipc_client.IPCException = IPCClient, IPCException  # type: ignore[attr-defined]
MODULES = {"ipc_client": ipc_client}
