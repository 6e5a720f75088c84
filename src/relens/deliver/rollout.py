"""A bundle's way to many cameras: step by step, watched, and stopped when too many of them do without it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from relens.bundle import Bundle
from relens.deliver.carrier import Carrier
from relens.deliver.plan import Outcome, Plan, make_plan, outcome
from relens.device.agent.status import CameraStatus
from relens.files import write_whole
from relens.spec.fleet import RolloutSettings

DONE, HELD, ROLLED_BACK = "done", "held", "rolled back"


@dataclass(frozen=True)
class Rollout:
    """How far a rollout has come, as its journal has it.

    step: the one that was begun last. end: `done`, `held` or `rolled back`; None while it is going on.
    """

    plan: Plan
    step: int = 0
    end: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "plan": self.plan.to_json()}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Rollout":
        """What `to_json` gave."""
        return cls(**{**values, "plan": Plan.from_json(values["plan"])})


@dataclass(frozen=True)
class Verdict:
    """What became of a bundle. end: as in `Rollout`. outcomes: of each camera that was given it. whys: of those that
    failed or are silent.
    """

    plan: Plan
    end: str
    outcomes: Mapping[str, Outcome]
    statuses: Mapping[str, CameraStatus]
    whys: Mapping[str, str] = field(default_factory=dict)


class Journal:
    """A rollout on the desk's disk, so that a command that was killed goes on when it is given again.

    Args:
        path: a JSON file; one rollout, the last one of its fleet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Rollout | None:
        """What was noted last; None where there is nothing that can be read."""
        try:
            return Rollout.from_json(json.loads(self.path.read_bytes()))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write(self, rollout: Rollout) -> None:
        """Instead of what was noted before."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, [json.dumps(rollout.to_json()).encode()], mode=0o600)


def begin(journal: Journal, bundle: Bundle, cameras: Iterable[str], settings: RolloutSettings) -> Rollout:
    """The rollout of a bundle that was begun, with cameras that have come since; else a new one.

    Args:
        journal: of this fleet.
        bundle: opened, and so checked.
        cameras: all that are known now.
        settings: the steps of a new one.
    """
    cameras, before = tuple(cameras), journal.read()
    if before is not None and before.plan.sha256 == bundle.sha256 and before.plan.steps:
        return Rollout(before.plan.with_newcomers(cameras), before.step)
    return Rollout(make_plan(bundle.manifest.name, bundle.sha256, cameras, settings))


class Roller:
    """Carries a rollout through.

    Args:
        carrier: to the cameras.
        journal: told of every step before it is taken.
        settings: how many may fail, how long a camera may be silent, and what then.
        say: told in a line what happens.
    """

    def __init__(
        self,
        carrier: Carrier,
        journal: Journal,
        settings: RolloutSettings,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._carrier, self._journal, self._settings = carrier, journal, settings
        self._say = say
        self._whys: dict[str, str] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._since_s: dict[str, float] = {}

    def run(self, rollout: Rollout, bundle: Bundle, *, again: bool = False) -> Verdict:
        """Until every camera has settled, or too many have failed.

        Args:
            rollout: from `begin`.
            bundle: opened, and so checked.
            again: also give it to cameras where it failed before.

        Raises:
            DeliveryTrouble: as the carrier meets it.
        """
        plan = rollout.plan
        for step in range(rollout.step, len(plan.steps)):
            rollout = Rollout(plan, step)
            self._journal.write(rollout)
            self._say(f"step {step + 1} of {len(plan.steps)}: {len(plan.released(step))} of {len(plan)} cameras")
            for handed in self._carrier.release(bundle, plan, step, again=again):
                if handed.refusal:
                    self._whys[handed.camera] = handed.refusal
            statuses = self._settle(plan.released(step), plan.bundle)
            if self._too_many():
                return self._stop(rollout, statuses)
        self._journal.write(Rollout(plan, rollout.step, DONE))
        return Verdict(plan, DONE, self._outcomes, statuses, self._whys)

    def _settle(self, cameras: Sequence[str], bundle: str) -> Mapping[str, CameraStatus]:
        """Look until nobody is waited for, or too many have failed."""
        now_s = monotonic()
        self._since_s = dict.fromkeys(cameras, now_s) | self._since_s
        while True:
            statuses = self._carrier.statuses()
            for camera in cameras:
                self._judge(camera, statuses.get(camera), bundle)
            if self._too_many() or Outcome.WAITING not in self._outcomes.values():
                return statuses
            sleep(self._carrier.look_s)

    def _judge(self, camera: str, status: CameraStatus | None, bundle: str) -> None:
        found = outcome(status, bundle, monotonic() - self._since_s[camera], self._settings.silent_s)
        if found is Outcome.WAITING and camera in self._whys:
            found = Outcome.FAILED
        if found is Outcome.FAILED:
            self._whys.setdefault(camera, status.bad.get(bundle, "") if status else "")
        if found is Outcome.SILENT:
            heard = (status and status.trouble) or "it has neither confirmed nor refused it"
            self._whys.setdefault(camera, heard)
        if found is not self._outcomes.get(camera) and found is not Outcome.WAITING:
            self._say(f"{camera}: {found.value}{self._whys.get(camera, '') and ': '}{self._whys.get(camera, '')}")
        self._outcomes[camera] = found

    def _too_many(self) -> bool:
        wrong = sum(one in (Outcome.FAILED, Outcome.SILENT) for one in self._outcomes.values())
        return wrong > self._settings.most_failed * len(self._outcomes)

    def _stop(self, rollout: Rollout, statuses: Mapping[str, CameraStatus]) -> Verdict:
        end, plan = HELD, rollout.plan
        self._carrier.hold()
        if self._settings.then == "roll back":
            end = ROLLED_BACK
            for handed in self._carrier.roll_back(plan.bundle, plan.released(rollout.step)):
                self._say(f"{handed.camera}: {handed.refusal or 'went back'}")
            statuses = self._carrier.statuses()
        self._journal.write(Rollout(plan, rollout.step, end))
        return Verdict(plan, end, self._outcomes, statuses, self._whys)
