"""Which bundle a camera runs, and which one it goes back to. Pure: what happens in, what holds from then on out.

    inbox -> verified -> accepted -> active -> confirmed
                                       |           |
                                       +-----------+--> back to the one confirmed before

The first steps are a bundle's own way into the camera (`store`); a standing begins where one becomes active.
"""

from dataclasses import dataclass, replace

from relens.errors import DeviceTrouble

MOST_STARTS = 3
"""So many starts in a row may end without health; then the bundle counts as failed."""


@dataclass(frozen=True)
class Standing:
    """What runs and what to fall back to; bundles by their id.

    active: runs now. good: confirmed last. before: confirmed before `good`, for when that one goes bad later.
    starts: how often `active` was started since it was last known to be healthy.
    """

    active: str | None = None
    good: str | None = None
    before: str | None = None
    starts: int = 0

    @property
    def on_trial(self) -> bool:
        """Whether what runs still has to prove itself."""
        return self.active is not None and self.active != self.good

    @property
    def worn_out(self) -> bool:
        """Whether it was started too often without getting healthy; where there is no way back it goes on trying."""
        return self.starts >= MOST_STARTS and (self.on_trial or self.fallback is not None)

    @property
    def fallback(self) -> str | None:
        """Where a rollback leads."""
        return self.good if self.on_trial else self.before

    @property
    def needed(self) -> frozenset[str]:
        """The bundles that have to stay on disk."""
        return frozenset(one for one in (self.active, self.good, self.before) if one)

    def activated(self, bundle: str) -> "Standing":
        """Another bundle runs, on trial unless it is the one confirmed last."""
        return self if bundle == self.active else replace(self, active=bundle, starts=0)

    def started(self) -> "Standing":
        """What is active was started once more."""
        return self if self.active is None else replace(self, starts=min(self.starts + 1, MOST_STARTS))

    def excused(self) -> "Standing":
        """It ended for a reason that is not its own, such as a camera that is not there: the start does not count."""
        return replace(self, starts=max(0, self.starts - 1))

    def confirmed(self) -> "Standing":
        """What is active is healthy; if it was on trial it is confirmed, and the one before it becomes the fallback."""
        if not self.on_trial:
            return replace(self, starts=0)
        return Standing(self.active, self.active, self.good)

    def failed(self) -> "Standing":
        """What is active does not work: back, if there is a way. A first bundle on trial leaves the camera empty."""
        if self.fallback is not None:
            return self.rolled_back()
        return Standing() if self.on_trial else self

    def rolled_back(self) -> "Standing":
        """Back to the fallback.

        Raises:
            DeviceTrouble: RL-DEVICE-005 when there is none.
        """
        target = self.fallback
        if target is None:
            raise DeviceTrouble(
                "RL-DEVICE-005",
                f"there is nothing to go back to from {self.active or 'a camera without a bundle'}",
                hint="install a bundle that works here: relens device install NAME.relens",
            )
        left = self.before if self.before not in (target, self.active) else None
        return Standing(target, target, left)
