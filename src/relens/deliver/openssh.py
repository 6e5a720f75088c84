"""How OpenSSH is called for one camera, and what it means by what it says."""

import shlex
import subprocess
from collections.abc import Sequence
from urllib.parse import urlsplit

from relens.errors import DeliveryTrouble
from relens.spec.fleet import CameraAddress, SshSettings

CLOSED = ("verification failed", "Permission denied", "password is required", "not allowed to execute")
"""What another try would not mend."""

IDLE = ("sftp>", "Connection closed", "Connection to", "Warning: Permanently")


class OpenSsh:
    """The way to a camera.

    Args:
        camera: its name and address.
        settings: how to reach it.
    """

    def __init__(self, camera: CameraAddress, settings: SshSettings) -> None:
        self.name, self._settings = camera.name, settings
        parts = urlsplit(camera.address)
        self._host, self._user, self._port = parts.hostname or "", parts.username, parts.port

    def remote(self) -> list[str]:
        """A command that runs `relens device remote` there."""
        program, state = shlex.quote(self._settings.relens), shlex.quote(self._settings.state)
        command = f"{program} device remote --state {state}"
        if self._settings.sudo:
            command = f'if [ "$(id -u)" = 0 ]; then exec {command}; else exec sudo -n {command}; fi'
        return ["ssh", *self._options(), *self._place("-p"), command]

    def sftp(self, *batch: str) -> "subprocess.CompletedProcess[str]":
        """Run a batch of sftp(1); a line that begins with `-` may fail."""
        limit = ["-l", str(self._settings.max_kbit_s)] if self._settings.max_kbit_s else []
        command = ["sftp", *self._options(), *limit, "-b", "-", *self._place("-P")]
        return subprocess.run(command, input="\n".join(batch), capture_output=True, text=True, check=False)

    def lost(self, said: str) -> DeliveryTrouble:
        """RL-DELIVER-009 from what a program said last, with what to do about it."""
        why = _last_line(said) or "the connection ended without a word"
        return DeliveryTrouble("RL-DELIVER-009", f"{self.name}: {why}", hint=self._hint(why))

    def _options(self) -> list[str]:
        settings = self._settings
        options = {
            "BatchMode": "yes",
            "StrictHostKeyChecking": "yes",
            "ConnectTimeout": "10",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "UserKnownHostsFile": settings.known_hosts,
            "IdentityFile": settings.key,
            "IdentitiesOnly": "yes" if settings.key else None,
            "ProxyJump": settings.jump,
        }
        config = ["-F", str(settings.config)] if settings.config else []
        return [*config, *(f"-o{key}={value}" for key, value in options.items() if value is not None)]

    def _place(self, port: str) -> list[str]:
        host = f"{self._user}@{self._host}" if self._user else self._host
        return [*([port, str(self._port)] if self._port else []), "--", host]

    def _hint(self, why: str) -> str:
        place = shlex.join(one for one in self._place("-p") if one != "--")
        program, state = self._settings.relens, self._settings.state
        if "verification failed" in why:
            scan = shlex.join(["ssh-keyscan", *(["-p", str(self._port)] if self._port else []), self._host])
            return f"compare {scan} | ssh-keygen -lf - with the camera's own key, and put that into known_hosts"
        if "Permission denied" in why:
            return f"let your key in: ssh-copy-id {place}"
        if "password is required" in why or "not allowed to execute" in why:
            line = f"{self._user or 'USER'} ALL=(root) NOPASSWD: {program} device remote --state {state}"
            return f"on the camera, with visudo -f /etc/sudoers.d/relens: {line}"
        if "not found" in why or "No such file" in why:
            return f"[ssh] relens in fleet.toml names the program on the camera; it was {program}"
        return f"ssh {place} true"


def is_closed(said: str) -> bool:
    """Whether trying again would not help."""
    return any(closed in said for closed in CLOSED)


def quoted(path: str) -> str:
    """For sftp's batch language."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _last_line(said: str) -> str:
    """The telling one: what closed the door, else the last."""
    lines: Sequence[str] = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(IDLE)]
    return next((line for line in lines if is_closed(line)), lines[-1] if lines else "")
