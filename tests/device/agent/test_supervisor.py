"""The whole agent on a real clip, with real processes, as fast as it goes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from relens.device.agent import Patience, Standing, Store, Supervisor, install
from relens.device.agent.orders import Orders
from relens.errors import DeviceTrouble
from relens.spec import camera_settings

pytestmark = pytest.mark.alone


def test_a_bundle_proves_itself_and_the_next_one_comes_through_the_inbox(
    write, clip, tmp_path, running, bring, until, workers
) -> None:
    store = Store(tmp_path / "state")
    first = install(store, write("first"))

    with running(store, clip) as said:
        until(lambda: store.standing() == Standing(first, first))
        bring(store, write("second"))
        until(lambda: store.standing().active != first)
        second = store.standing().active
        until(lambda: store.standing() == Standing(second, second, first))

    assert [file.suffix for file in store.inbox.folder.iterdir()] == [".answer"]
    assert [f"{one}: {what}" for one in (first, second) for what in ("started", "confirmed")] == [
        line for line in said if line.endswith(("started", "confirmed"))
    ]
    assert workers() == []


def test_a_bundle_whose_process_dies_again_and_again_is_rolled_back(
    clip, good_and_new, running, until, workers
) -> None:
    store, good, bad = good_and_new

    with running(store, clip):
        killed: set[int] = set()
        while store.standing().active == bad:
            for pid in set(workers()) - killed:
                os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.02)
        until(lambda: store.standing() == Standing(good, good))

    assert len(killed) == 3
    assert "3 times" in store.stored()[bad].bad
    assert sum(fact["event"] == "ended" and "SIGKILL" in fact["why"] for fact in store.journal) == 3


def test_a_bundle_that_hangs_is_killed_and_tried_again(write, clip, tmp_path, running, until, workers) -> None:
    store = Store(tmp_path / "state")
    bundle = install(store, write("one"))
    with running(store, clip, Patience(silent_s=3, rest_s=0.1), confirm_s=0.5):
        until(lambda: not store.standing().on_trial)
        (hanging,) = workers()
        os.kill(hanging, signal.SIGSTOP)

        until(lambda: workers() not in ([], [hanging]))

        until(lambda: store.standing() == Standing(bundle, bundle))
    assert any(fact["event"] == "ended" and "said nothing" in fact["why"] for fact in store.journal)


def test_a_bundle_that_was_damaged_on_the_disk_is_rolled_back(clip, good_and_new, running, until) -> None:
    store, good, bad = good_and_new
    file = store.bundles / bad / "bundle.relens"
    file.write_bytes(file.read_bytes()[:-1])

    with running(store, clip):
        until(lambda: store.standing() == Standing(good, good))

    assert store.stored()[bad].bad.startswith("damaged on the disk")


def test_the_process_of_a_bundle_ends_with_an_agent_that_was_killed(write, clip, tmp_path, until, workers) -> None:
    store = Store(tmp_path / "state")
    install(store, write("one"))
    command = [Path(sys.executable).with_name("relens"), "device", "run", "--state", store.folder, "--camera", clip]
    with subprocess.Popen([*command, "--no-page"], stderr=subprocess.DEVNULL) as agent:
        until(lambda: workers(agent.pid))
        (worker,) = workers(agent.pid)
        agent.kill()

    until(lambda: not Path(f"/proc/{worker}").exists())
    assert store.standing().starts == 1


def test_a_camera_that_is_not_there_is_not_the_bundles_fault(tmp_path, good_and_new, running, until) -> None:
    store, _, new = good_and_new

    with running(store, tmp_path / "no_such_clip.avi") as said:
        until(lambda: sum("RL-CAMERA-002" in line for line in said) >= 4)

    assert store.standing().active == new
    assert store.stored()[new].bad is None


def test_a_network_camera_that_is_away_is_waited_for_without_a_new_start(good_and_new, running, until, workers) -> None:
    store, _, new = good_and_new

    with running(store, "rtsp://user:secret@127.0.0.1:9/clip") as said:
        until(lambda: any("rtsp://127.0.0.1:9/clip cannot be opened" in line for line in said))
        started = workers()
        time.sleep(3)
        assert workers() == started, "the process stays, and opens the camera again"
        assert store.standing().starts == 0, "a start without a camera does not count"

    lost = [fact for fact in store.journal if fact["event"] == "camera lost"]
    assert len(lost) == 1 and "secret" not in str(lost)
    assert store.standing().active == new


def test_an_agent_whose_relens_was_replaced_ends_and_blames_no_bundle(good_and_new, clip, monkeypatch) -> None:
    """The worker gets orders with a key that it does not know, as from an agent of another version."""
    store, _, new = good_and_new
    monkeypatch.setattr(Orders, "model_dump_json", lambda orders: '{"bundle": "x", "of_tomorrow": 1}')

    with pytest.raises(DeviceTrouble, match="RL-DEVICE-011"):
        Supervisor(store, camera_settings(source=str(clip), page=False)).run()

    assert (store.standing().active, store.standing().starts) == (new, 0)
