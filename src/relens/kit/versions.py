"""Which version of an engine a device gets: what the lock file for its glibc pins. Without the kit extra."""

import re
from importlib import resources

from relens.spec import Device

PACKAGES = {"litert": "ai-edge-litert", "openvino": "openvino"}
_LOCK = re.compile(r"glibc-(\d+)\.(\d+)-openvino\.txt")


def engine_versions(device: Device) -> dict[str, str] | None:
    """Engine -> the version that a kit for this device brings.

    Returns:
        None where the profile does not say which glibc the device has; an engine that no lock file has is left out.
    """
    has = tuple(int(part) for part in (device.system.libc or "").split(".") if part.isdigit())
    if not has:
        return None
    folder = resources.files("relens.kit").joinpath("locks")
    locks = [(tuple(map(int, found.groups())), file) for file in folder.iterdir() if (found := _LOCK.match(file.name))]
    fitting = [(least, file) for least, file in locks if least <= has]
    if not fitting:
        return {}
    text = max(fitting, key=lambda pair: pair[0])[1].read_text(encoding="utf-8")
    pinned = {name: re.search(rf"^{re.escape(PACKAGES[name])}==(\S+)", text, re.M) for name in PACKAGES}
    return {name: found[1] for name, found in pinned.items() if found and name in device.engines}
