"""One way to a number of cameras; each is a file of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from relens.bundle import Bundle
from relens.deliver.plan import Plan
from relens.device.agent.status import CameraStatus


@dataclass(frozen=True)
class Handed:
    """A camera was given a bundle. refusal: why it did not take it; None where it did, or will say so later."""

    camera: str
    refusal: str | None = None


class Carrier(Protocol):
    """Used by one thread. What it cannot do raises DeliveryTrouble; a camera that cannot be reached is `away`.

    look_s: between two looks at all cameras.
    """

    look_s: float

    def statuses(self) -> Mapping[str, CameraStatus]:
        """How every camera is, by name."""

    def release(self, bundle: Bundle, plan: Plan, step: int, *, again: bool) -> Iterator[Handed]:
        """Let the cameras of a step have a bundle, and those of the steps before it; safe to repeat.

        again: also where it failed before.
        """

    def hold(self) -> None:
        """Give it to no more cameras."""

    def roll_back(self, bundle: str | None, cameras: Sequence[str]) -> Iterator[Handed]:
        """Take a bundle back, or what runs now (None); safe to repeat where a bundle is named."""

    def close(self) -> None:
        """Hang up."""
