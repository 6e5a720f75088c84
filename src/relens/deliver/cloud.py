"""Core devices of AWS IoT Greengrass: AWS carries the bundle, at a pace and up to a bound of its own."""

from collections.abc import Iterator, Mapping, Sequence

from relens.bundle import Bundle
from relens.deliver.carrier import Handed
from relens.deliver.greengrass import Greengrass
from relens.deliver.job import IotJob
from relens.deliver.plan import Plan
from relens.device.agent.status import CameraStatus
from relens.spec.fleet import GreengrassFleet, RolloutSettings


class Cloud:
    """A `Carrier`, in one step.

    Args:
        settings: target and bucket.
        rollout: the bound at which AWS stops telling more cameras.
        greengrass: left out, it is made; raises then as `Greengrass`.
    """

    look_s = 15.0

    def __init__(
        self, settings: GreengrassFleet, rollout: RolloutSettings, greengrass: Greengrass | None = None
    ) -> None:
        self._greengrass = greengrass or Greengrass(f"greengrass:{settings.target}", settings.bucket)
        self._job = IotJob(
            abort_share=max(rollout.most_failed, 0.01), patience_min=min(10_080, max(1, round(rollout.silent_s / 60)))
        )

    def statuses(self) -> Mapping[str, CameraStatus]:
        """See `Carrier.statuses`."""
        return {one.camera: one for one in self._greengrass.statuses()}

    def release(self, bundle: Bundle, plan: Plan, step: int, *, again: bool) -> Iterator[Handed]:
        """See `Carrier.release`."""
        self._greengrass.deploy(bundle, self._job, again=again)
        return iter(())

    def hold(self) -> None:
        """See `Carrier.hold`."""
        self._greengrass.cancel()

    def roll_back(self, bundle: str | None, cameras: Sequence[str]) -> Iterator[Handed]:
        """See `Carrier.roll_back`."""
        self._greengrass.roll_back(bundle, self._job)
        return iter(())

    def close(self) -> None:
        """See `Carrier.close`."""
