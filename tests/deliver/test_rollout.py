"""A rollout over cameras whose disks are real: killed, repeated, held, taken back."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from relens.bundle import Bundle
from relens.deliver import fleet
from relens.deliver.carrier import Handed
from relens.deliver.fleet import check
from relens.deliver.plan import Outcome, Plan
from relens.deliver.rollout import Journal, Roller, Rollout, Verdict, begin
from relens.device.agent import CameraStatus, Store, camera_status
from relens.errors import DeliveryTrouble, RelensError
from relens.spec.fleet import RolloutSettings


class Killed(Exception):
    """At this moment."""


class Disks:
    """A carrier to the disks of cameras, whose agents do nothing: what they decide is set by the test."""

    look_s = 0.01

    def __init__(self, folder: Path, cameras: int, confirms: Callable[[str], bool] = lambda camera: True) -> None:
        self.stores = {f"c{number:02}": Store(folder / f"c{number:02}") for number in range(cameras)}
        self.confirms, self.looks, self.kill_at = confirms, 0, -1
        self.silent: set[str] = set()

    def statuses(self) -> Mapping[str, CameraStatus]:
        self.looks += 1
        if self.looks == self.kill_at:
            raise Killed
        return {name: camera_status(store, name) for name, store in self.stores.items()}

    def release(self, bundle: Bundle, plan: Plan, step: int, *, again: bool) -> Iterator[Handed]:
        for name in plan.released(step):
            if name not in self.silent:
                yield self._install(name, bundle, again=again)

    def _install(self, name: str, bundle: Bundle, *, again: bool) -> Handed:
        store = self.stores[name]
        try:
            taken = store.take(bundle.path).sha256[:12]
            if again:
                store.pardon(taken)
            store.accept(taken, b'{"name": "%s"}' % bundle.manifest.name.encode())
            store.activate(taken)
            if self.confirms(name):
                store.confirm(taken)
            else:
                store.fail(taken, "it froze")
            return Handed(name)
        except RelensError as trouble:
            return Handed(name, f"{trouble.code}: {trouble.message}")

    def roll_back(self, bundle: str | None, cameras: Sequence[str]) -> Iterator[Handed]:
        for name in cameras:
            if self.stores[name].standing().active == bundle:
                self.stores[name].roll_back("rolled back from the desk", bundle)
            yield Handed(name)

    def hold(self) -> None:
        pass

    def close(self) -> None:
        pass

    def running(self) -> list[str | None]:
        return [store.standing().active for store in self.stores.values()]


@pytest.fixture
def roll(tmp_path) -> Callable[..., Verdict]:
    def run(disks: Disks, bundle: Bundle, *, again: bool = False, **settings) -> Verdict:
        asked = RolloutSettings(**{"silent_s": 0.2, **settings})
        journal = Journal(tmp_path / "rollout.json")
        rollout = begin(journal, bundle, disks.stores, asked)
        return Roller(disks, journal, asked).run(rollout, bundle, again=again)

    return run


def test_every_camera_gets_it_step_by_step(tmp_path, bundles, roll) -> None:
    one, two = bundles
    disks = Disks(tmp_path, 10)
    for bundle in (one, two):
        verdict = roll(disks, bundle)
        assert verdict.end == "done" and set(verdict.outcomes.values()) == {Outcome.CONFIRMED}
        assert set(disks.running()) == {bundle.sha256[:12]}
        check(verdict, "it", "fleet.toml")


def test_a_bad_canary_stops_it_and_nobody_else_gets_it(tmp_path, bundles, roll) -> None:
    one, two = bundles
    disks = Disks(tmp_path, 10)
    roll(disks, one)
    disks.confirms = lambda camera: False
    verdict = roll(disks, two)
    assert verdict.end == "held" and len(verdict.outcomes) == 1
    assert set(disks.running()) == {one.sha256[:12]}, "the canary went back by itself"
    with pytest.raises(
        DeliveryTrouble, match=r"RL-DELIVER-011.*1 of 1 cameras do without it: c\d\d: it froze"
    ) as caught:
        check(verdict, "it", "fleet.toml")
    assert "relens rollback fleet.toml" in caught.value.hint

    assert roll(disks, two).end == "held", "given again it comes to the same end"
    assert sum(two.sha256[:12] in store.stored() for store in disks.stores.values()) == 1
    disks.confirms = lambda camera: True
    assert roll(disks, two, again=True).end == "done"


def test_beyond_the_bound_it_is_taken_back_everywhere_when_asked_to(tmp_path, bundles, roll) -> None:
    one, two = bundles
    disks = Disks(tmp_path, 10)
    roll(disks, one)
    bad = {f"c{number:02}" for number in range(0, 10, 4)}
    disks.confirms = lambda camera: camera not in bad
    verdict = roll(disks, two, then="roll back", steps=[1.0])
    assert verdict.end == "rolled back"
    assert {name for name, one in verdict.outcomes.items() if one is Outcome.FAILED} == bad
    assert set(disks.running()) == {one.sha256[:12]}


def test_within_the_bound_it_goes_on_and_those_without_it_are_named(tmp_path, bundles, roll) -> None:
    one, two = bundles
    disks = Disks(tmp_path, 10)
    roll(disks, one)
    disks.silent = {"c07"}
    disks.confirms = lambda camera: camera != "c09"
    verdict = roll(disks, two, steps=[1.0], most_failed=0.2)
    assert verdict.end == "done"
    assert (verdict.outcomes["c07"], verdict.outcomes["c09"]) == (Outcome.SILENT, Outcome.FAILED)
    assert sum(active == two.sha256[:12] for active in disks.running()) == 8
    with pytest.raises(DeliveryTrouble, match=r"RL-DELIVER-010: 2 of 10 cameras do not run it: c07: .*c09: it froze"):
        check(verdict, "it", "fleet.toml")


def test_a_rollout_that_is_killed_anywhere_and_given_again_comes_to_the_same_end(tmp_path, bundles, roll) -> None:
    one, two = bundles
    for moment in range(1, 100):
        disks = Disks(tmp_path / str(moment), 6)
        roll(disks, one)
        disks.kill_at = disks.looks + moment
        try:
            roll(disks, two)
        except Killed:
            verdict = roll(disks, two)
            assert verdict.end == "done" and len(verdict.outcomes) == 6
            assert set(disks.running()) == {two.sha256[:12]}
        else:
            assert moment > 3
            break


def test_a_fleet_without_cameras_is_told(tmp_path, bundles, monkeypatch) -> None:
    monkeypatch.setattr(fleet, "_carrier", lambda *_: Disks(tmp_path, 0))
    with pytest.raises(DeliveryTrouble, match="RL-DELIVER-010: no camera of ssh://door is known"):
        fleet.deploy(bundles[0], "ssh://door")


def test_a_journal_that_cannot_be_read_begins_anew_and_one_of_another_bundle_is_replaced(tmp_path, bundles) -> None:
    one, two = bundles
    journal, settings = Journal(tmp_path / "deep/rollout.json"), RolloutSettings()
    assert journal.read() is None
    journal.write(Rollout(begin(journal, one, ["a", "b", "c"], settings).plan, 1))
    assert begin(journal, one, ["a", "b", "c", "d"], settings).step == 1
    assert begin(journal, two, ["a"], settings) == Rollout(begin(journal, two, ["a"], settings).plan)
    journal.path.write_text("{")
    assert begin(journal, one, ["a"], settings).step == 0
