"""A bundle's way onto a camera: copied, checked, accepted by its golden frames, then active on trial."""

import hashlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from relens.device.agent.apart import answer, ask_apart
from relens.device.agent.examine import TIMEOUT_S, accept_apart
from relens.device.agent.inbox import Answer
from relens.device.agent.store import ID_DIGITS, Store, no_room
from relens.device.agent.tune import TIMEOUT_S as TUNE_S
from relens.device.agent.tune import tuned_threads
from relens.errors import DeviceTrouble, RelensError

if TYPE_CHECKING:
    from relens.bundle import Bundle

LOOK_S = 1.0
INSTALL_S = TUNE_S + TIMEOUT_S + 60


def install(store: Store, path: Path, *, again: bool = False) -> str:
    """Bring a bundle in and let it run if this machine accepts it; what runs now goes on until then.

    Where an agent runs the camera, it does this: it lets what runs rest while the golden frames are judged, so that
    neither is measured beside the other.

    Args:
        store: the camera's disk.
        path: a NAME.relens file, which stays where it is.
        again: also if it failed here before.

    Returns:
        Its id on this camera.

    Raises:
        BadBundle, BadModel: it is damaged or foreign; nothing of it is kept.
        DeviceTrouble: RL-DEVICE-003 when this machine refuses it, -004 when there is no room, -007 when it failed here
            before, -009 when the agent does not answer.
    """
    if not store.has_agent():
        return bring_in(store, path, again=again)
    from relens.bundle.archive import read_bytes

    content = read_bytes(path)
    if again:
        store.pardon(hashlib.sha256(content).hexdigest()[:ID_DIGITS])
    file = store.inbox.put(content)
    for _ in range(int(INSTALL_S / LOOK_S)):
        if heard := store.inbox.hear(file, LOOK_S):
            return heard.bundle()
        if not store.has_agent() and store.inbox.take_back(file):
            return bring_in(store, path, again=again)
    raise DeviceTrouble(
        "RL-DEVICE-009",
        f"the agent of {store.folder} has not said what became of {path.name}",
        hint="see whether it is still running and what it did: relens device status",
    )


def bring_in(store: Store, path: Path, *, again: bool = False) -> str:
    """The same in this process, whoever else runs."""
    bundle = store.take(path)
    taken = bundle.sha256[:ID_DIGITS]
    try:
        if again:
            store.pardon(taken)
        stored = store.stored()[taken]
        if not stored.accepted and not stored.bad:
            _accept(store, bundle)
        store.activate(taken)
    except OSError as trouble:
        raise no_room(path, trouble) from None
    return taken


def _accept(store: Store, bundle: "Bundle") -> None:
    taken, name = bundle.sha256[:ID_DIGITS], bundle.manifest.name
    try:
        threads = tuned_threads(bundle)
        facts = accept_apart(bundle.path, name, threads)
    except DeviceTrouble as refused:
        store.refuse(taken, refused.message.removeprefix(f"{name}: "))
        raise
    goals = bundle.manifest.goals.model_dump(mode="json")
    store.accept(taken, json.dumps({"name": name, "goals": goals, "threads": threads, **facts}).encode())


def bring_in_apart(store: Store, path: Path) -> Answer:
    """The same in a process of its own: what a foreign file does to it is its own affair, and its memory is free again.

    Never raises; whatever happens is the answer.
    """
    late = f"it was not installed after {INSTALL_S} s"
    try:
        return Answer(**ask_apart(__name__, store.folder, path, name=path.name, timeout_s=INSTALL_S, late=late))
    except RelensError as trouble:
        return Answer.refusing(trouble)


def main() -> None:
    """Install what the command line names, and say what became of it."""
    try:
        became = Answer(bring_in(Store(Path(sys.argv[1])), Path(sys.argv[2])))
    except RelensError as trouble:
        became = Answer.refusing(trouble)
    answer(asdict(became))


if __name__ == "__main__":
    main()
