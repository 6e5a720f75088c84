"""The lock files: which one a device's glibc takes, and which version of an engine it pins. Without the kit extra."""

import re
from importlib import resources

from relens.spec import Device

PACKAGES = {"litert": "ai-edge-litert", "openvino": "openvino"}
LOCKS = {(2, 17): "glibc-2.17", (2, 28): "glibc-2.28"}
"""By the least glibc on which what they pin loads."""
OLDEST = LOCKS[min(LOCKS)]

Version = tuple[int, ...]


def version_of(text: str) -> Version:
    """`2.17` as `(2, 17)`."""
    return tuple(int(part) for part in text.split("."))


def glibc_of(device: Device) -> tuple[int, int] | None:
    """As (2, 23); None where its profile does not say."""
    found = re.fullmatch(r"(\d+)\.(\d+)", device.system.libc or "")
    return (int(found[1]), int(found[2])) if found else None


def lock_for(libc: Version) -> str | None:
    """The newest lock that a glibc takes; None for one that is too old for all."""
    fitting = [least for least in LOCKS if least <= libc]
    return LOCKS[max(fitting)] if fitting else None


def lock_text(name: str) -> str:
    """What stands in a lock file."""
    return resources.files("relens.kit").joinpath("locks", f"{name}.txt").read_text(encoding="utf-8")


def engine_versions(device: Device) -> dict[str, str] | None:
    """Engine -> the version that a kit for this device brings.

    Returns:
        None where the profile does not say which glibc the device has; an engine that no lock file has is left out.
    """
    libc = glibc_of(device)
    if libc is None:
        return None
    lock = lock_for(libc)
    text = lock_text(f"{lock}-openvino") if lock else ""
    pinned = {name: re.search(rf"^{re.escape(PACKAGES[name])}==(\S+)", text, re.M) for name in PACKAGES}
    return {name: found[1] for name, found in pinned.items() if found and name in device.engines}
