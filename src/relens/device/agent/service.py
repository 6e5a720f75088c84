"""The systemd unit that keeps the agent running."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path
from string import Template

from relens.device.credentials import credential_name
from relens.errors import DeviceTrouble
from relens.spec import CameraSettings
from relens.spec.camera import v4l2_number

DYNAMIC_USERS = 235
"""The first systemd that makes a service its own user and state directory (systemd's NEWS)."""
HANDED = "/run/relens-credentials"
"""Where an older one finds secrets, copied there for it."""


def service_unit(settings: CameraSettings, file: Path, *, memory: str = "75%", systemd: int | None = None) -> str:
    """A unit for this machine's Python, hardened, with the rights this camera needs and no other.

    Args:
        settings: what stands in the file.
        file: a `camera.toml`.
        memory: what agent and bundle may take together, as systemd's `MemoryMax=` takes it.
        systemd: which version reads it; None: this machine's, or a new one where there is none.

    Raises:
        DeviceTrouble: RL-DEVICE-010 when a service without rights of its own could not read what it needs.
    """
    local = v4l2_number(settings.camera.source) is not None
    handed = (*secrets(settings), *certificates(settings))
    python, source = Path(sys.executable), Path(settings.camera.source)
    read = [python, python.resolve(), Path(__file__), file, *([source] if source.exists() else [])]
    for one in read:
        _check_readable(one.absolute())
    old = (systemd or this_systemd() or DYNAMIC_USERS) < DYNAMIC_USERS
    seen = [*read, *handed] if old else read  # a new one reads what it hands over from outside
    at_home = any(one.absolute().parts[1] in ("home", "root") for one in seen)
    return _template("relens-old.service" if old else "relens.service").substitute(
        name=settings.camera.name or file.stem,
        command=f"{_word(python)} -m relens device run --settings {_word(file)}",
        memory=_bytes(memory) if old else memory,
        home="read-only" if at_home else "yes",
        devices="DeviceAllow=char-video4linux rw\nSupplementaryGroups=video" if local else "PrivateDevices=yes",
        credentials="\n".join(_copied(handed) if old else _loaded(handed)),
    )


def this_systemd() -> int | None:
    """The version of this machine's; None where there is none."""
    try:
        said = subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return None
    found = re.match(r"systemd (\d+)", said)
    return int(found[1]) if found else None


def _loaded(files: Iterable[Path]) -> Iterator[str]:
    return (f"LoadCredential={credential_name(one)}:{one}" for one in files)


def _copied(files: Iterable[Path]) -> Iterator[str]:
    for place, one in enumerate(files):
        if place == 0:
            yield f"Environment=CREDENTIALS_DIRECTORY={HANDED}"
        target = f"{HANDED}/{credential_name(one)}"
        yield f"ExecStartPre=/usr/bin/install -D -m 0400 -o relens -g relens {_word(one)} {_word(target)}"


def _word(path: Path | str) -> str:
    """As one word of a command (systemd.service(5), Command lines)."""
    text = str(path).replace("%", "%%").replace("$", "$$")
    return f'"{text}"' if " " in text else text


def _bytes(memory: str) -> str:
    """A share of this machine's memory as bytes: old ones take no percentages."""
    if not memory.endswith("%"):
        return memory
    return str(int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * float(memory[:-1]) / 100))


def secrets(settings: CameraSettings) -> Iterator[Path]:
    """The files that nobody else should be able to read."""
    mqtt, webhook = settings.mqtt, settings.webhook
    yield from filter(None, [settings.camera.password_file, settings.page.key])
    yield from filter(None, [mqtt and mqtt.password_file, mqtt and mqtt.tls and mqtt.tls.key])
    yield from filter(None, [webhook and webhook.token_file])


def certificates(settings: CameraSettings) -> Iterator[Path]:
    """What is shown to everybody, and lies beside its key."""
    mqtt = settings.mqtt
    yield from filter(None, [settings.page.certificate, mqtt and mqtt.tls and mqtt.tls.certificate])


def _check_readable(path: Path) -> None:
    for one in (path, *path.parents):
        needed = stat.S_IXOTH if one.is_dir() else stat.S_IROTH
        if not one.stat().st_mode & needed:
            raise DeviceTrouble(
                "RL-DEVICE-010",
                f"a service without rights of its own cannot read {path}: {one} is closed to others",
                hint="keep Python, relens and the settings outside of homes: python3 -m venv /opt/relens",
            )


def _template(name: str) -> Template:
    return Template(resources.files("relens.device.agent").joinpath(name).read_text(encoding="utf-8"))
