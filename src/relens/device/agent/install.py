"""A bundle's way onto a camera: copied, checked, accepted by its golden frames, then active on trial."""

import json
from pathlib import Path

from relens.device.agent.examine import accept_apart
from relens.device.agent.store import ID_DIGITS, Store
from relens.errors import DeviceTrouble


def install(store: Store, path: Path, *, again: bool = False) -> str:
    """Bring a bundle in and let it run if this machine accepts it; what runs now goes on until then.

    Args:
        store: the camera's disk.
        path: a NAME.relens file, which stays where it is.
        again: also if it failed here before.

    Returns:
        Its id on this camera.

    Raises:
        BadBundle, BadModel: it is damaged or foreign; nothing of it is kept.
        DeviceTrouble: RL-DEVICE-003 when this machine refuses it, -004 when there is no room, -007 when it failed here
            before.
    """
    bundle = store.take(path)
    taken = bundle.sha256[:ID_DIGITS]
    if again:
        store.pardon(taken)
    stored = store.stored()[taken]
    if not stored.accepted and not stored.bad:
        try:
            facts = accept_apart(bundle.path, bundle.manifest.name)
        except DeviceTrouble as refused:
            store.refuse(taken, refused.message.removeprefix(f"{bundle.manifest.name}: "))
            raise
        store.accept(taken, json.dumps({"name": bundle.manifest.name, **facts}).encode())
    store.activate(taken)
    return taken
