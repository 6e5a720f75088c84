"""The verbs, in the same words for every target: deploy, status, rollback."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from relens.bundle import Bundle, open_bundle
from relens.deliver.carrier import Carrier
from relens.deliver.plan import Outcome, Plan
from relens.deliver.rollout import DONE, Journal, Roller, Verdict, begin
from relens.device.agent.status import CameraStatus
from relens.errors import DeliveryTrouble
from relens.spec.fleet import Fleet, load_fleet, single

Say = Callable[[str], None]


class Target:
    """A fleet or a single camera, and the way to it; a context manager.

    Args:
        target: `ssh://[USER@]HOST[:PORT]`, or the path of a `fleet.toml`.
        passphrase: asked for where keys are needed.
        say: told in a line what happens.

    Raises:
        BadConfig: RL-CONFIG-001 to -003 for what is neither.
    """

    def __init__(self, target: str, passphrase: Callable[[], str], say: Say = lambda line: None) -> None:
        alone = "://" in target
        self.name = target if alone else str(Path(target).absolute())
        self.fleet = single(target) if alone else load_fleet(Path(target))
        self._say = say
        self._carrier = _carrier(self.fleet, passphrase)

    def __enter__(self) -> "Target":
        return self

    def __exit__(self, *what: object) -> None:
        self._carrier.close()

    def status(self) -> Mapping[str, CameraStatus]:
        """Every camera, by name; one that cannot be reached is `away`."""
        return self._carrier.statuses()

    def deploy(
        self, bundle: Bundle, *, again: bool = False, agreed: Callable[[Plan], bool] = lambda plan: True
    ) -> Verdict | None:
        """Let every camera run a bundle, step by step; a rollout of it that was killed goes on.

        Args:
            bundle: opened, and so checked.
            again: also give it to cameras where it failed before.
            agreed: shown the plan before anything happens; False ends it there.

        Returns:
            What became of it; None when the plan was not agreed to.

        Raises:
            DeliveryTrouble: RL-DELIVER-010 where no camera is known, and as the carrier meets it.
        """
        cameras = self._carrier.statuses()
        if not cameras:
            raise DeliveryTrouble(
                "RL-DELIVER-010",
                f"no camera of {self.name} is known: nobody would run {bundle.manifest.name}",
                hint="one that follows a channel is known once it has told the broker of itself: [mqtt] in camera.toml",
            )
        journal = Journal(_state() / f"{hashlib.sha256(self.name.encode()).hexdigest()[:16]}.json")
        settings = self.fleet.rollout
        if self.fleet.greengrass is not None:
            settings = settings.model_copy(update={"steps": (1.0,)})  # AWS has steps of its own
        rollout = begin(journal, bundle, cameras, settings)
        if not agreed(rollout.plan):
            return None
        return Roller(self._carrier, journal, settings, self._say).run(rollout, bundle, again=again)

    def roll_back(self, bundle: str | None = None) -> Mapping[str, str]:
        """Take what runs (None), or a certain bundle, back from every camera that has it.

        Returns:
            Why not, by camera, where that was not possible.
        """
        handed = self._carrier.roll_back(bundle, tuple(self._carrier.statuses()))
        return {one.camera: one.refusal for one in handed if one.refusal}


def deploy(
    bundle: str | Path | Bundle,
    target: str,
    *,
    again: bool = False,
    passphrase: Callable[[], str] = lambda: "",
    say: Say = lambda line: None,
) -> Mapping[str, CameraStatus]:
    """Let cameras run a bundle, and wait until each has confirmed it.

    Args:
        bundle: a NAME.relens file, or one that was opened.
        target: `ssh://[USER@]HOST[:PORT]`, or the path of a `fleet.toml`.
        again: also to cameras where it failed before.
        passphrase: of the keys, asked for where a repository is signed.
        say: told in a line what happens.

    Returns:
        How every camera is then, by name.

    Raises:
        BadBundle: it is damaged or foreign.
        BadConfig: RL-CONFIG-001 to -003 for a target that is none.
        DeliveryTrouble: RL-DELIVER-010 when some cameras do not run it, -011 when too many did not and it was stopped;
            -001, -007, -008, -009 and -012 as the way there has it.
    """
    with tempfile.TemporaryDirectory(prefix="relens-") as folder, Target(target, passphrase, say) as fleet:
        opened = bundle if isinstance(bundle, Bundle) else open_bundle(Path(bundle), Path(folder))
        verdict = fleet.deploy(opened, again=again)
        assert verdict is not None  # the plan is always agreed to
        check(verdict, f"{opened.manifest.name} {opened.sha256[:12]}", target)
    return verdict.statuses


def check(verdict: Verdict, bundle: str, target: str) -> None:
    """Do nothing where every camera confirmed a bundle.

    Args:
        verdict: of its rollout.
        bundle: what it is called.
        target: what was deployed to, for the hints.

    Raises:
        DeliveryTrouble: RL-DELIVER-010 when some did not, -011 when the rollout was stopped for that.
    """
    wrong = [name for name, one in verdict.outcomes.items() if one is not Outcome.CONFIRMED]
    told = "; ".join(f"{name}: {verdict.whys.get(name, 'not confirmed yet')}" for name in sorted(wrong)[:5])
    more = f"; and {len(wrong) - 5} more" if len(wrong) > 5 else ""
    if verdict.end != DONE and len(verdict.plan) > 1:
        raise DeliveryTrouble(
            "RL-DELIVER-011",
            f"the rollout of {bundle} was stopped and {verdict.end}: {len(wrong)} of {len(verdict.outcomes)} cameras "
            f"do without it: {told}{more}",
            hint=f"relens rollback {target} takes it back; relens deploy goes on once there is less wrong",
        )
    if wrong:
        raise DeliveryTrouble(
            "RL-DELIVER-010",
            f"{len(wrong)} of {len(verdict.outcomes)} cameras do not run {bundle}: {told}{more}",
            hint=f"what ran before goes on running there; relens status {target}",
        )


def _carrier(fleet: Fleet, passphrase: Callable[[], str]) -> Carrier:
    """Each needs its own libraries, and no other."""
    if fleet.repository is not None:
        from relens.deliver.channel import Channel

        return Channel(fleet.repository, fleet.reports, passphrase)
    if fleet.greengrass is not None:
        from relens.deliver.cloud import Cloud

        return Cloud(fleet.greengrass, fleet.rollout)
    from relens.deliver.boxes import Boxes

    return Boxes(fleet)


def _state() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser() / "relens" / "rollouts"
