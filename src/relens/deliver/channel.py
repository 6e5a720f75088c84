"""Cameras that follow a channel of a signed repository, and tell a broker how they are."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from relens.bundle import Bundle
from relens.deliver.carrier import Handed
from relens.deliver.keys import KeyRing
from relens.deliver.plan import Plan
from relens.deliver.reports import Reports
from relens.deliver.repository import publish, roll_back
from relens.device.agent.status import CameraStatus
from relens.errors import BadConfig
from relens.spec.fleet import ReportsSettings, RepositoryFleet


class Channel:
    """A `Carrier`: a step is a larger share of the channel; which cameras that is they work out themselves.

    Args:
        settings: the repository.
        reports: the broker.
        passphrase: asked for before the first change.

    Raises:
        BadConfig: RL-CONFIG-003 without a broker: nobody would know what became of a bundle.
    """

    look_s = 0.5

    def __init__(
        self, settings: RepositoryFleet, reports: ReportsSettings | None, passphrase: Callable[[], str]
    ) -> None:
        if reports is None:
            raise BadConfig(
                "RL-CONFIG-003",
                "a fleet that follows a [repository] is watched through a broker, and [reports] names none",
                hint="add [reports] host = ..., the broker of the cameras' [mqtt]; relens publish offers unwatched",
            )
        self._settings, self._passphrase = settings, passphrase
        self._reports = Reports(reports)
        self._keys: KeyRing | None = None

    def statuses(self) -> Mapping[str, CameraStatus]:
        """See `Carrier.statuses`; those of other channels are none of ours."""
        found = self._reports.statuses()
        return {name: one for name, one in found.items() if one.channel == self._settings.channel}

    def release(self, bundle: Bundle, plan: Plan, step: int, *, again: bool) -> Iterator[Handed]:
        """See `Carrier.release`."""
        if again:
            raise BadConfig(
                "RL-CONFIG-005",
                "--again is for cameras that are reached one by one",
                hint="on the camera: relens device install --again NAME.relens",
            )
        publish(self._settings.folder, bundle, self._settings.channel, self._ring(), share=plan.share(step))
        self._mirror()
        return iter(())

    def hold(self) -> None:
        """See `Carrier.hold`; nothing goes on by itself."""

    def roll_back(self, bundle: str | None, cameras: Sequence[str]) -> Iterator[Handed]:
        """See `Carrier.roll_back`; cameras go back when they next ask."""
        roll_back(self._settings.folder, self._settings.channel, self._ring(), bundle)
        self._mirror()
        return iter(())

    def close(self) -> None:
        """See `Carrier.close`."""
        self._reports.close()

    def _ring(self) -> KeyRing:
        self._keys = self._keys or KeyRing(self._settings.keys.expanduser(), self._passphrase())
        return self._keys

    def _mirror(self) -> None:
        if self._settings.mirror is not None:
            from relens.deliver.s3 import mirror

            mirror(self._settings.folder, self._settings.mirror)
