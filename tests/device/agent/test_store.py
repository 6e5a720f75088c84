"""What is on the disk: whole or not there, whatever ends the process that writes it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from relens.bundle.manifest import Needs
from relens.device.agent import Store, install, overview
from relens.device.agent.apart import ask_apart
from relens.device.agent.cell import MOST_BYTES, read_cell, write_cell
from relens.device.agent.store import ACCEPTED
from relens.errors import BadBundle, DeviceTrouble


def test_a_bundle_is_taken_accepted_and_runs_on_trial(write, tmp_path) -> None:
    store = Store(tmp_path / "state")

    first = install(store, write("first"))
    assert (store.standing().active, store.standing().on_trial) == (first, True)
    store.confirm(first)
    second = install(store, write("second"))

    assert (store.standing().active, store.standing().fallback) == (second, first)
    assert [(line.id, line.stage) for line in overview(store).bundles] == [(second, "active"), (first, "kept")]
    events = [(fact["event"], fact["bundle"]) for fact in store.journal]
    steps = ["verified", "accepted", "active"]
    assert events == [(step, first) for step in (*steps, "confirmed")] + [(step, second) for step in steps]


def test_the_number_of_threads_is_the_bundles_or_measured_here(write, tmp_path) -> None:
    store = Store(tmp_path / "state")
    told = install(store, write("told", needs=Needs(engine="litert", threads=2, relens="0.1.0")))
    facts = store.facts(told, ACCEPTED)
    assert facts["threads"] == 2 and "2 thread(s)" in facts["engine"]
    measured = install(store, write("measured", needs=Needs(engine="litert", relens="0.1.0")))
    facts = store.facts(measured, ACCEPTED)
    assert facts["threads"] >= 1 and f"{facts['threads']} thread(s)" in facts["engine"]
    file = store.open(measured).path
    said = ask_apart("relens.device.agent.tune", file, 1, 2, name="measured", timeout_s=60, late="late")
    assert said["threads"] in (1, 2) and set(said["median_ms"]) == {"1", "2"}


def test_what_failed_goes_back_and_is_not_taken_again_unless_one_insists(write, good_and_new) -> None:
    store, good, bad = good_and_new

    store.fail(bad, "it crashed")

    assert (store.standing().active, store.standing().on_trial) == (good, False)
    assert store.stored()[bad].bad == "it crashed"
    with pytest.raises(DeviceTrouble, match=r"RL-DEVICE-007.*it crashed"):
        install(store, write("bad"))
    assert install(store, write("bad"), again=True) == store.standing().active


def test_a_bundle_that_this_machine_refuses_changes_nothing_and_is_remembered(write, tmp_path) -> None:
    store = Store(tmp_path / "state")
    good = install(store, write("good"))

    with pytest.raises(DeviceTrouble, match="RL-DEVICE-003"):
        install(store, write("other_answers", off=0.5))

    assert store.standing().active == good
    assert [one.name for one in store.bundles.iterdir()] == [good]
    (refused,) = [one for one in store.stored().values() if one.bad]
    assert "output" in refused.bad


def test_a_damaged_bundle_leaves_nothing(write, tmp_path) -> None:
    store = Store(tmp_path / "state")
    cut = tmp_path / "cut.relens"
    cut.write_bytes(write("whole").read_bytes()[:-100])

    with pytest.raises(BadBundle):
        install(store, cut)

    assert list(store.bundles.iterdir()) == []


def test_bundles_that_nobody_needs_are_dropped(write, tmp_path) -> None:
    store = Store(tmp_path / "state")
    names = []
    for name in ("one", "two", "three", "four"):
        names.append(install(store, write(name)))
        store.confirm(names[-1])

    assert {one.name for one in store.bundles.iterdir()} == set(names[-2:])


def test_a_power_cut_between_the_mark_and_the_way_back_is_mended(good_and_new) -> None:
    store, good, bad = good_and_new
    store.mark(bad, "cut off here")

    store.mend()

    assert store.standing().active == good
    assert [one.name for one in store.bundles.iterdir()] == [good]


def test_only_one_agent_runs_a_camera(tmp_path) -> None:
    store = Store(tmp_path / "state")

    with store.agent(), pytest.raises(DeviceTrouble, match="RL-DEVICE-008"), Store(tmp_path / "state").agent():
        pass
    with store.agent():
        pass


def test_a_cell_holds_any_short_text(tmp_path) -> None:
    cell = tmp_path / "cell"
    for text in ("a", "two//words/./here", "ü" * 100, "", "nul\0"):
        write_cell(cell, text)
        found = read_cell(cell)
        assert found and len(found.encode()) <= MOST_BYTES
    write_cell(cell, "./x//y/")
    assert read_cell(cell) == "./x//y/"
    assert list(tmp_path.iterdir()) == [cell]


def test_a_journal_passes_over_what_was_cut_off_and_stays_small(tmp_path) -> None:
    journal = Store(tmp_path / "state").journal
    journal.note("first")
    with journal.path.open("ab") as file:
        file.write(b'{"event": "hal')
    journal.note("second", why="x" * 3000)
    assert [fact["event"] for fact in journal] == ["first", "second"]

    for number in range(500):
        journal.note("many", why="y" * 3000, number=number)

    assert journal.path.stat().st_size <= (1 << 20) + 4000
    assert [fact["number"] for fact in journal][-1] == 499


def test_a_bundle_that_was_half_deleted_when_the_power_went_can_be_installed_again(write, tmp_path) -> None:
    store = Store(tmp_path / "state")
    bundle = install(store, write("good"))
    (store.bundles / bundle / "bundle.relens").unlink()

    assert install(Store(tmp_path / "state"), write("good")) == bundle

    assert store.open(bundle).sha256.startswith(bundle)
    assert [one.name for one in store.bundles.iterdir()] == [bundle]


def test_kills_at_random_moments_never_tear_a_state(write) -> None:
    """Sixty; by itself it does a thousand."""
    bench = Path(__file__).parents[3] / "bench" / "kills.py"
    bundles = [write(name) for name in ("good", "one", "two")]

    done = subprocess.run(
        [sys.executable, bench, *bundles, "--kills", "60"], capture_output=True, text=True, timeout=120, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "torn states: 0, lost configurations: 0" in done.stdout


def test_a_rollback_works_on_a_full_disk(write, tmp_path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "relens-test", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        store = Store(disk / "state")
        good = install(store, write("good"))
        store.confirm(good)
        bad = install(store, write("bad"))
        with (disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError, match="No space"):
            while True:
                ballast.write(bytes(4096))

        with pytest.raises(DeviceTrouble, match=r"RL-DEVICE-004.*No space"):
            install(store, write("third"))
        store.fail(bad, "it failed")

        assert store.standing().active == good
        assert store.open(good).sha256.startswith(good)
    finally:
        subprocess.run(["umount", disk], check=True)


def test_the_overview_is_the_same_for_machines(write, tmp_path) -> None:
    store = Store(tmp_path / "state")
    assert "relens device install" in repr(overview(store))
    bundle = install(store, write("first"))

    said = json.loads(json.dumps(overview(store).to_json()))

    assert (said["active"], said["fallback"], said["bundles"][0]["name"]) == (bundle, None, "first")
    assert f"{bundle}  active     first" in repr(overview(store))
    shutil.rmtree(tmp_path / "state")
