"""What a desk asks of a camera over SSH: a line of JSON in, a line of JSON out, until the input ends.

    {"do": "status"}
    {"do": "install", "sha256": ..., "again": false}     what lies in the user's own `relens-incoming/SHA256.relens`
    {"do": "look", "sha256": ...}                        how much of it lies there
    {"do": "drop", "sha256": ...}                        what lies there was damaged on its way
    {"do": "rollback", "bundle": ID or null}

Each is answered with {"status": ...}, {"bytes": ...} or {"error": {"code", "message", "hint"}}. The command takes no
argument from the desk, so that a line in sudoers(5) can name it to the letter.
"""

import json
import os
import pwd
import re
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from relens.device.agent.arrival import install
from relens.device.agent.status import camera_status
from relens.device.agent.store import Store
from relens.errors import DeviceTrouble, RelensError

INCOMING = "relens-incoming"


def serve(store: Store) -> None:
    """Answer the standard input on the standard output.

    Args:
        store: the camera's disk.
    """
    home = _home()
    for line in sys.stdin:
        try:
            said = _obey(store, home, json.loads(line))
        except RelensError as trouble:
            said = {"error": trouble.to_json()}
        except (ValueError, KeyError, TypeError, AttributeError):
            said = {"error": _unknown(line).to_json()}
        store.give_back()
        sys.stdout.write(json.dumps(said) + "\n")
        sys.stdout.flush()


def _obey(store: Store, home: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    if asked["do"] == "look":
        file = _incoming(home, asked["sha256"])
        return {"bytes": file.stat().st_size if file.exists() else 0}
    if asked["do"] == "install":
        file = _incoming(home, asked["sha256"])
        install(store, file, again=bool(asked.get("again")))
        file.unlink(missing_ok=True)
    elif asked["do"] == "drop":
        _incoming(home, asked["sha256"]).unlink(missing_ok=True)
    elif asked["do"] == "rollback":
        store.roll_back("rolled back from the desk", asked["bundle"])
    elif asked["do"] != "status":
        raise KeyError
    return {"status": camera_status(store, socket.gethostname()).to_json()}


def _incoming(home: Path, sha256: str) -> Path:
    """Of a name that leads nowhere else."""
    if not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError
    return home / INCOMING / f"{sha256}.relens"


def _home() -> Path:
    """Of whoever logged in, also under sudo(8)."""
    user = os.environ.get("SUDO_UID")
    return Path(pwd.getpwuid(int(user)).pw_dir) if user and user.isdecimal() else Path.home()


def _unknown(line: str) -> DeviceTrouble:
    return DeviceTrouble(
        "RL-DEVICE-015",
        f"this is no order that the camera's relens understands: {line.strip()[:200]}",
        hint="bring relens on desk and camera to the same version: relens --version",
    )
