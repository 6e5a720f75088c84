"""Bundles that are brought while an agent runs the camera."""

import os
import threading
import time
from pathlib import Path

import pytest

from relens.device.agent import Standing, Store, install
from relens.device.agent.inbox import FORGET_S, Answer
from relens.errors import BadBundle, DeviceTrouble

pytestmark = pytest.mark.alone


def test_the_agent_installs_what_is_brought_beside_it_while_the_bundle_that_runs_rests(
    write, clip, tmp_path, running, until, workers
) -> None:
    store = Store(tmp_path / "state")
    first, coming = install(store, write("first")), write("second")
    with running(store, clip) as said:
        until(lambda: store.standing() == Standing(first, first))
        (worker,) = workers()
        states: list[str] = []
        watcher = threading.Thread(target=note_states, args=(worker, states))
        watcher.start()

        second = install(store, coming)

        until(lambda: store.standing() == Standing(second, second, first))
        watcher.join()
    assert "T" in states, "it was stopped while the golden frames of the other one were judged"
    assert any(line.endswith(f"installed as {second}") for line in said)
    assert list(store.inbox.folder.iterdir()) == []


def test_whoever_brings_a_bundle_learns_why_it_is_refused(write, clip, tmp_path, running, until) -> None:
    store, wrong, cut = Store(tmp_path / "state"), write("other_answers", off=0.5), tmp_path / "cut.relens"
    cut.write_bytes(wrong.read_bytes()[:-100])
    with running(store, clip):
        until(store.has_agent)

        with pytest.raises(DeviceTrouble, match="RL-DEVICE-003"):
            install(store, wrong)
        with pytest.raises(DeviceTrouble, match="RL-DEVICE-007"):
            install(store, wrong)
        with pytest.raises(DeviceTrouble, match="RL-DEVICE-003"):
            install(store, wrong, again=True)
        with pytest.raises(BadBundle, match="RL-BUNDLE-001"):
            install(store, cut)
    assert store.standing() == Standing()
    assert list(store.inbox.folder.iterdir()) == []


def test_an_agent_that_ends_before_it_answers_is_not_waited_for(write, tmp_path) -> None:
    store, ended = Store(tmp_path / "state"), threading.Event()

    def run() -> None:
        with store.agent():
            ended.wait(60)

    agent = threading.Thread(target=run)
    agent.start()
    while not store.has_agent():
        time.sleep(0.01)
    threading.Timer(0.5, ended.set).start()

    installed = install(store, write("one"))

    agent.join()
    assert store.standing().active == installed
    assert list(store.inbox.folder.iterdir()) == []


def test_answers_that_nobody_reads_and_halves_that_nobody_finishes_go_after_an_hour(tmp_path) -> None:
    inbox = Store(tmp_path / "state").inbox
    read, unread = inbox.put(b"one"), inbox.put(b"two")
    inbox.answer(unread, Answer("0123456789ab"))
    (inbox.folder / ".half").write_bytes(b"")
    os.utime(inbox.folder / ".half", (time.time() - FORGET_S - 1,) * 2)

    inbox.sweep()

    assert inbox.waiting() == [read]
    assert inbox.hear(unread, 0) == Answer("0123456789ab")
    assert not (inbox.folder / ".half").exists()


def note_states(process: int, states: list[str]) -> None:
    """Until it has ended."""
    try:
        while True:
            states.append(Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][0])
            time.sleep(0.02)
    except OSError:
        return
