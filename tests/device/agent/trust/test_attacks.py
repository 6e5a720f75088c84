"""A running agent and a repository under attack: nothing of it is taken, and the bundle that runs goes on running."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from relens.deliver import replace_key, roll_back
from relens.device.agent import Store

pytestmark = [
    pytest.mark.system,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
PATIENCE_S = 100.0  # a server that drips is given a minute


@dataclass(frozen=True)
class Agent:
    """A real one, in a process of its own."""

    store: Store
    process: "subprocess.Popen[bytes]"
    workers: Callable[..., list[int]]

    def worker(self) -> int:
        (found,) = self.workers(self.process.pid)
        return found

    def confirmed(self, bundle: str) -> bool:
        return self.store.standing().good == self.store.standing().active == bundle

    def refusals(self) -> list[str]:
        return [fact["why"] for fact in self.store.journal if fact["event"] == "repository away"]


@pytest.fixture
def agent(camera, clip, workers, tmp_path) -> Iterator[Agent]:
    (tmp_path / "camera.toml").write_text(
        f'[camera]\nsource = "{clip}"\nname = "cam1"\n[page]\nserve = false\n'
        "[agent]\nconfirm_after_s = 0.5\nask_every_s = 0.5\n"
    )
    command = [sys.executable, "-m", "relens", "device", "run", "--settings", tmp_path / "camera.toml"]
    with (tmp_path / "agent.log").open("wb") as log, subprocess.Popen(
        [*command, "--state", camera.folder], stderr=log
    ) as process:  # fmt: skip
        yield Agent(camera, process, workers)
        assert process.poll() is None, (tmp_path / "agent.log").read_text()
        process.terminate()


def test_an_attack_is_refused_and_the_old_bundle_runs_on(desk, agent, until, monkeypatch, attack, code) -> None:
    desk.offer("first")
    desk.copy_to("before")
    second = desk.offer("second")
    until(lambda: agent.confirmed(second))
    worker, stored = agent.worker(), sorted(agent.store.stored())

    attack(desk, monkeypatch)
    until(agent.refusals, seconds=PATIENCE_S)
    time.sleep(1)

    assert agent.refusals()[0].startswith(code)
    assert agent.worker() == worker, "the same process, all the time"
    assert agent.confirmed(second)
    assert (agent.store.inbox.waiting(), sorted(agent.store.stored())) == ([], stored)


@pytest.mark.parametrize("name", ["targets", "online", "root"])
def test_a_running_agent_follows_a_key_that_is_replaced(desk, agent, until, name) -> None:
    first = desk.offer("first")
    until(lambda: agent.confirmed(first))
    replace_key(desk.repository, desk.keys, name)
    second = desk.offer("second")
    until(lambda: agent.confirmed(second))
    assert agent.refusals() == []


def test_what_is_taken_back_is_left_by_a_running_agent(desk, agent, until) -> None:
    first = desk.offer("first")
    until(lambda: agent.confirmed(first))
    second = desk.offer("second")
    until(lambda: agent.confirmed(second))
    assert roll_back(desk.repository, "stable", desk.keys) is not None
    until(lambda: agent.confirmed(first))


def test_a_server_that_hangs_up_in_the_middle_is_asked_for_the_rest(desk, agent, until, monkeypatch) -> None:
    first = desk.offer("first")
    until(lambda: agent.confirmed(first))
    given = desk.server.given
    desk.server.cuts_at = 20_000
    second = desk.offer_whole("second", monkeypatch)
    until(lambda: agent.confirmed(second))
    assert desk.server.given - given == desk.target().stat().st_size, "no byte of it twice"
    events = [fact["event"] for fact in agent.store.journal]
    assert events.count("repository away") == events.count("repository back") == 1, json.dumps(events)
