"""Which cameras get a bundle when. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import ceil
from typing import Any

from relens.device.agent.draw import draw
from relens.device.agent.status import CONFIRMED, CameraStatus
from relens.spec.fleet import RolloutSettings


class Outcome(str, Enum):
    """What became of a bundle on a camera."""

    WAITING = "waiting"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SILENT = "silent"


def outcome(status: CameraStatus | None, bundle: str, waited_s: float, silent_s: float) -> Outcome:
    """Judge what a camera says.

    Args:
        status: of the camera; None when it was never heard.
        bundle: the id of what was given to it.
        waited_s: since then.
        silent_s: how long it may take to confirm or to fail.
    """
    if status is not None and bundle in status.bad:
        return Outcome.FAILED
    if status is not None and status.bundle == bundle and status.stage == CONFIRMED:
        return Outcome.CONFIRMED
    return Outcome.SILENT if waited_s > silent_s else Outcome.WAITING


@dataclass(frozen=True)
class Plan:
    """A rollout. bundle: its id. sha256: of the whole file. steps: the names of the cameras that each one adds."""

    bundle: str
    name: str
    sha256: str
    steps: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return sum(map(len, self.steps))

    def released(self, step: int) -> tuple[str, ...]:
        """The cameras that have the bundle after a step."""
        return tuple(camera for one in self.steps[: step + 1] for camera in one)

    def share(self, step: int) -> float:
        """What `draw` is below for exactly the cameras of `released`, among those that the plan knows."""
        if step == len(self.steps) - 1:
            return 1.0
        return (self._draw(self.steps[step][-1]) + self._draw(self.steps[step + 1][0])) / 2

    def _draw(self, camera: str) -> float:
        return draw(camera, self.sha256)

    def with_newcomers(self, cameras: Iterable[str]) -> "Plan":
        """The same, with cameras that were not known when it was made in the last step."""
        known = set(self.released(len(self.steps) - 1))
        new = tuple(sorted(set(cameras) - known))
        return Plan(self.bundle, self.name, self.sha256, (*self.steps[:-1], (*self.steps[-1], *new)))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "steps": [list(step) for step in self.steps]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Plan":
        """What `to_json` gave."""
        return cls(**{**values, "steps": tuple(tuple(step) for step in values["steps"])})

    def __str__(self) -> str:
        lines = [f"{self.name} {self.bundle} to {len(self)} camera{'s' * (len(self) != 1)}"]
        for number, step in enumerate(self.steps if len(self.steps) > 1 else ()):
            shown = ", ".join(step[:5]) + (", ..." if len(step) > 5 else "")
            lines.append(f"  step {number + 1}: {len(step)} more, {len(self.released(number))} in all: {shown}")
        return "\n".join(lines)


def make_plan(name: str, sha256: str, cameras: Sequence[str], settings: RolloutSettings) -> Plan:
    """Spread cameras over the steps by lot; the same cameras and bundle give the same plan.

    Args:
        name: of the bundle.
        sha256: of its file.
        cameras: all names.
        settings: the shares of each step; a step that would add nobody is left out.
    """
    order = sorted(cameras, key=lambda camera: draw(camera, sha256))
    ends = sorted({ceil(share * len(order) - 1e-9) for share in settings.steps} - {0})
    steps = [tuple(order[begin:end]) for begin, end in zip([0, *ends], ends, strict=False)]
    return Plan(sha256[:12], name, sha256, tuple(steps))
