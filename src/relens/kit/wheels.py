"""The packages of a kit: what the lock files pin for a device, as wheels that are kept for the next time."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from relens.device.doctor.libc import OLD_TAGS
from relens.errors import BadConfig, DeliveryTrouble
from relens.files import write_whole
from relens.kit.versions import OLDEST, glibc_of, lock_for, lock_text
from relens.spec import Device

# By the minor version of glibc, tags that have a name of their own.
_OLD_NAMES = {minor: tag for tag, (_, minor) in OLD_TAGS.items()}


@dataclass(frozen=True)
class Target:
    """Where wheels are to be installed. python: as `3.11`; libc: of glibc, as (2, 23)."""

    architecture: str
    libc: tuple[int, int]
    python: str

    @classmethod
    def of(cls, device: Device, python: str) -> "Target":
        """A device with one of its Pythons, or one that is brought.

        Raises:
            BadConfig: RL-KIT-001 when the profile does not say which glibc it has.
        """
        libc = glibc_of(device)
        if libc is None:
            raise BadConfig(
                "RL-KIT-001",
                f"the profile `{device.name}` does not say which glibc its system has",
                hint='add `[system]` with `libc = "2.31"` to it (on the device: ldd --version)',
            )
        return cls(device.architecture, libc, python)

    @property
    def platforms(self) -> tuple[str, ...]:
        """Wheel tags that this system takes, the newest first (PEP 600)."""
        tags = []
        for minor in range(self.libc[1], 4, -1):
            tags.append(f"manylinux_2_{minor}_{self.architecture}")
            if minor in _OLD_NAMES:
                tags.append(f"{_OLD_NAMES[minor]}{self.architecture}")
        return tuple(tags)

    @property
    def markers(self) -> dict[str, str]:
        """What stands for this target in environment markers (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "os_name": "posix",
            "platform_machine": self.architecture,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{self.python}.0",
            "python_version": self.python,
            "sys_platform": "linux",
        }


def pinned(target: Target, *, openvino: bool = False) -> tuple[str, ...]:
    """What is to be installed there, as requirements with hashes, and pip, which installs it.

    openvino: that engine too.
    """
    least = lock_for(target.libc) or OLDEST
    locks = [lock_text(f"{least}-openvino" if openvino else least), lock_text("pip")]
    lines = [line for text in locks for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return tuple(_plain(line) for line in lines if _applies(line, target))


def wheel_store() -> Path:
    """Where downloaded wheels are kept: `$XDG_CACHE_HOME/relens/wheels`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "relens" / "wheels"


def fetch(target: Target, into: Path, store: Path, *, openvino: bool = False) -> tuple[Path, ...]:
    """Gather the wheels of a target.

    What the store has is not asked for again, so a second kit needs no network.

    Args:
        target: where they are to be installed.
        into: an empty folder for them.
        store: a folder that keeps wheels.
        openvino: that engine too.

    Raises:
        DeliveryTrouble: RL-KIT-003 when they cannot be had; it names the first that is missing.
    """
    store.mkdir(parents=True, exist_ok=True)
    wanted = into / "requirements.txt"
    wanted.write_text("".join(f"{line}\n" for line in pinned(target, openvino=openvino)), encoding="utf-8")
    done = _download(target, wanted, into, ["--no-index", "--find-links", str(store)])
    if done.returncode:
        done = _download(target, wanted, into, ["--find-links", str(store)])
    wanted.unlink()
    if done.returncode:
        raise _not_had(target, done.stderr)
    found = tuple(sorted(into.glob("*.whl")))
    for wheel in found:
        if not (store / wheel.name).exists():
            write_whole(store / wheel.name, [wheel.read_bytes()])
    return found


def _download(target: Target, wanted: Path, into: Path, where: list[str]) -> "subprocess.CompletedProcess[str]":
    digits = target.python.replace(".", "")
    kinds = ["--implementation", "cp", "--python-version", target.python]
    kinds += [part for abi in (f"cp{digits}", "abi3", "none") for part in ("--abi", abi)]
    kinds += [part for platform in target.platforms for part in ("--platform", platform)]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--dest", str(into), "--requirement", str(wanted)]
    return subprocess.run([*command, *kinds, *where], capture_output=True, text=True, check=False)


def _not_had(target: Target, said: str) -> DeliveryTrouble:
    if "No module named pip" in said:
        return DeliveryTrouble("RL-KIT-003", "this Python has no pip", hint=f"{sys.executable} -m ensurepip")
    missing = re.search(r"No matching distribution found for (\S+)", said)
    errors = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith("ERROR")]
    what = f"no wheel of {missing[1]}" if missing else (errors or ["pip failed"])[-1]
    where = f"{target.architecture}, glibc {target.libc[0]}.{target.libc[1]} and Python {target.python}"
    return DeliveryTrouble(
        "RL-KIT-003",
        f"the packages for {where} cannot be had: {what}",
        hint="go online once, or put the wheels into a folder and name it: --wheels FOLDER",
    )


def _applies(line: str, target: Target) -> bool:
    marker = Requirement(re.split(r"\s--hash", line)[0].strip()).marker
    return marker is None or marker.evaluate({**target.markers, "extra": ""})


def _plain(line: str) -> str:
    """Without its marker: pip would ask it of the Python that runs here."""
    requirement, _, hashes = line.partition(" --hash")
    return f"{requirement.partition(';')[0].strip()} --hash{hashes}"
