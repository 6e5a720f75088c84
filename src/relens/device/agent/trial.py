"""Waiting for a bundle to prove itself."""

from time import monotonic, sleep

from relens.device.agent.cell import read_cell
from relens.device.agent.store import Store
from relens.errors import DeviceTrouble

LOOK_S = 0.2


def wait_confirmed(store: Store, bundle: str, seconds: float) -> None:
    """Until a bundle on trial is confirmed.

    Args:
        store: the camera's disk.
        bundle: its id.
        seconds: at most.

    Raises:
        DeviceTrouble: RL-DEVICE-013 when it failed or another one took its place, -014 when it is still on trial.
    """
    end_s = monotonic() + seconds
    while True:
        standing = store.standing()
        if (why := read_cell(store.bad / bundle)) is not None:
            raise _failed(f"bundle {bundle} failed on this camera: {why}")
        if standing.active != bundle:
            raise _failed(f"bundle {standing.active} took the place of {bundle} before that was confirmed")
        if not standing.on_trial:
            return
        if monotonic() > end_s:
            break
        sleep(LOOK_S)
    raise DeviceTrouble(
        "RL-DEVICE-014",
        f"bundle {bundle} was not confirmed within {seconds:.0f} s",
        hint="relens device status"
        if store.has_agent()
        else "nothing runs it here: relens device run --settings camera.toml",
    )


def _failed(what: str) -> DeviceTrouble:
    return DeviceTrouble("RL-DEVICE-013", what, hint="see what happened: relens device status")
