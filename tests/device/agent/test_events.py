"""Events from a real clip through the whole agent: seen, kept, sent, and ended after a crash."""

import json
import os
import signal
import socket
from pathlib import Path

import pytest

from relens.bundle import write_bundle
from relens.device.agent import Store, install, overview
from relens.device.agent.post import event_log
from relens.graph import Graph, with_signature
from relens.spec import camera_settings
from relens.vision import frames_from

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def detector(yolox_bundle, yolox_graph, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("detector") / "detector.relens"
    graph = with_signature(Graph.read(yolox_graph))
    write_bundle(path, yolox_bundle.manifest, graph, yolox_bundle.labels, yolox_bundle.golden)
    return path


def test_bottles_are_noticed_kept_with_a_picture_and_told_in_order_also_across_a_crash(
    detector, shared_clip, tmp_path, until, workers, running
) -> None:
    (tmp_path / "camera.toml").write_text(
        f'[camera]\nsource = "{shared_clip}"\nname = "shelf"\n[page]\nserve = false\n'
        '[[events]]\nname = "bottle"\nlabels = ["bottle"]\ndwell_s = 0.3\nclear_s = 0.5\n'
        '[lines]\npath = "told.jsonl"\n[samples]\nmin_doubt = 0\n'
    )
    settings, told = camera_settings(tmp_path / "camera.toml"), tmp_path / "told.jsonl"
    store = Store(tmp_path / "state")
    install(store, detector)
    with running(store, settings):
        until(lambda: lines(told) and lines(told)[-1]["phase"] == "began")
        (worker,) = workers()
        os.kill(worker, signal.SIGKILL)
        until(lambda: [line["phase"] for line in lines(told)].count("began") >= 2)

    events = lines(told)
    assert [event["phase"] for event in events] == ["began", "ended"] * (len(events) // 2)
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert {event["camera"] for event in events} == {"shelf"}
    (first, *_) = events[0]["things"]
    assert first["label"] == "bottle" and first["score"] >= 0.5 and len(first["box"]) == 4
    picture = event_log(store, settings).picture(1)
    assert picture is not None and picture.startswith(b"\xff\xd8")
    assert 1 <= len(frames_from(store.samples)) <= 2, "one each start, and no other within minutes"


def test_a_bundle_that_cannot_tell_what_the_rules_ask_for_is_rolled_back(
    write, clip, tmp_path, until, good_and_new, running
) -> None:
    store, good, bad = good_and_new
    (tmp_path / "camera.toml").write_text(
        f'[camera]\nsource = "{clip}"\n[page]\nserve = false\n[[events]]\nname = "b"\nlabels = ["bottle"]\n'
    )
    with running(store, camera_settings(tmp_path / "camera.toml")):
        until(lambda: store.standing().active == good)
    assert "no label `bottle`" in next(fact for fact in store.journal if fact["event"] == "bad")["why"]
    assert store.stored()[bad].bad


def test_the_status_says_who_is_told_and_who_cannot_be_reached(detector, shared_clip, tmp_path, until, running) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}/secret"
    (tmp_path / "camera.toml").write_text(
        f'[camera]\nsource = "{shared_clip}"\n[page]\nserve = false\n'
        '[[events]]\nname = "bottle"\ndwell_s = 0\nclear_s = 0.1\n'
        f'[lines]\npath = "told.jsonl"\n[webhook]\nurl = "{url}"\n'
    )
    store = Store(tmp_path / "state")
    install(store, detector)
    assert overview(store).outlets == ()
    with running(store, camera_settings(tmp_path / "camera.toml")):
        until(lambda: lines(tmp_path / "told.jsonl") and any(one.away for one in overview(store).outlets))
    told, hook = overview(store).outlets
    assert (told.outlet, told.waiting, told.lost, told.away) == ("lines", 0, 0, None)
    assert (hook.outlet, hook.lost) == ("webhook", 0) and hook.waiting >= 1
    assert "Connection refused" in hook.away and "secret" not in hook.away
    assert f"webhook: {hook.waiting} events waiting, 0 lost; away: RL-OUTLET-001" in repr(overview(store))


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
