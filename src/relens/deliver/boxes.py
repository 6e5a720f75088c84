"""Cameras that are named one by one and reached over SSH."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from relens.bundle import Bundle
from relens.deliver.carrier import Handed
from relens.deliver.plan import Plan
from relens.deliver.ssh import SshCamera
from relens.device.agent.status import AWAY, CameraStatus
from relens.errors import RelensError
from relens.spec.fleet import Fleet

AT_ONCE = 8


class Boxes:
    """A `Carrier`: asks several cameras at once, and keeps their connections.

    Args:
        fleet: with `[[cameras]]`.
    """

    look_s = 0.2

    def __init__(self, fleet: Fleet) -> None:
        self._cameras = {one.name: SshCamera(one, fleet.ssh) for one in fleet.cameras}
        self._pool = ThreadPoolExecutor(AT_ONCE, "relens-ssh")

    def statuses(self) -> Mapping[str, CameraStatus]:
        """See `Carrier.statuses`."""
        return dict(zip(self._cameras, self._pool.map(self._status, self._cameras), strict=True))

    def release(self, bundle: Bundle, plan: Plan, step: int, *, again: bool) -> Iterator[Handed]:
        """See `Carrier.release`; those that run it already are left alone."""

        def install(camera: SshCamera) -> None:
            if camera.status().bundle != plan.bundle:
                camera.install(bundle, again=again)

        return self._each(plan.released(step), install)

    def hold(self) -> None:
        """See `Carrier.hold`; nothing goes on by itself."""

    def roll_back(self, bundle: str | None, cameras: Sequence[str]) -> Iterator[Handed]:
        """See `Carrier.roll_back`."""

        def leave(camera: SshCamera) -> None:
            if bundle is None or camera.status().bundle == bundle:
                camera.roll_back(bundle)

        return self._each(cameras, leave)

    def close(self) -> None:
        """See `Carrier.close`."""
        for camera in self._cameras.values():
            camera.close()
        self._pool.shutdown()

    def _status(self, name: str) -> CameraStatus:
        try:
            return self._cameras[name].status()
        except RelensError as trouble:
            return CameraStatus(name, AWAY, trouble=_told(trouble))

    def _each(self, names: Sequence[str], do: Callable[[SshCamera], None]) -> Iterator[Handed]:
        def one(name: str) -> Handed:
            try:
                do(self._cameras[name])
                return Handed(name)
            except RelensError as trouble:
                return Handed(name, _told(trouble))

        return self._pool.map(one, names)


def _told(trouble: RelensError) -> str:
    return f"{trouble.code}: {trouble.message} ({trouble.hint})"
