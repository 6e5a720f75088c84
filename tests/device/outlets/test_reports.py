"""What a camera tells a broker of itself, and what a desk hears of it."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from relens.deliver.reports import Reports
from relens.device.agent import Store
from relens.device.agent.bulletin import Bulletin
from relens.device.outlets import Courier
from relens.device.outlets.broker import broker_client
from relens.device.outlets.mqtt import Mqtt
from relens.errors import DeliveryTrouble
from relens.spec import MqttSettings
from relens.spec.fleet import ReportsSettings

BUNDLE = "0123456789ab"


@pytest.fixture
def reach(pki: Path) -> Callable[[int], dict]:
    """How camera and desk reach a broker."""
    files = {"ca": pki / "ca.pem", "certificate": pki / "camera.pem", "key": pki / "camera.key"}
    return lambda port: {"host": "localhost", "port": port, "tls": files}


@pytest.fixture
def camera(tmp_path, log) -> Iterator[Callable[[dict], Store]]:
    """A camera's disk, whose news go to a broker."""
    couriers: list[Courier] = []

    def start(settings: dict) -> Store:
        store = Store(tmp_path / "state")
        outlet = Mqtt(MqttSettings(**settings), "cam1", Bulletin(store, "cam1", every_s=600), answer_s=3)
        couriers.append(Courier(log, outlet, store.journal.note, first_rest_s=0.1, longest_rest_s=0.3))
        couriers[-1].start()
        return store

    yield start
    for one in couriers:
        one.stop()


@pytest.fixture
def desk(reach) -> Iterator[Callable[[int], Reports]]:
    made: list[Reports] = []

    def listen(port: int) -> Reports:
        made.append(Reports(ReportsSettings(**reach(port))))
        return made[-1]

    yield listen
    for one in made:
        one.close()


def run(store: Store, bundle: str = BUNDLE) -> None:
    """Let a bundle be active, as if its golden frames had held."""
    (store.bundles / bundle).mkdir()
    store.accept(bundle, json.dumps({"name": "door", "engine": "litert"}).encode())
    store.activate(bundle)


def test_what_a_camera_runs_is_heard_at_once_and_kept_for_who_comes_later(
    make_broker, reach, camera, desk, until
) -> None:
    broker = make_broker()
    store, reports = camera(reach(broker.port)), desk(broker.port)
    until(lambda: "cam1" in reports.statuses())
    assert reports.statuses()["cam1"].stage == "empty"

    run(store)
    until(lambda: reports.statuses()["cam1"].stage == "active")
    store.confirm()
    until(lambda: reports.statuses()["cam1"].stage == "confirmed")
    store.mark("aaaaaaaaaaaa", "it froze")
    until(lambda: reports.statuses()["cam1"].bad)

    late = desk(broker.port).statuses()["cam1"]
    assert (late.bundle, late.name, late.engine, dict(late.bad)) == (
        BUNDLE,
        "door",
        "litert",
        {"aaaaaaaaaaaa": "it froze"},
    )
    assert late.trouble.endswith("bad: it froze")


def test_a_broker_that_was_killed_is_heard_again(make_broker, reach, camera, desk, until) -> None:
    broker = make_broker()
    store, reports = camera(reach(broker.port)), desk(broker.port)
    run(store)
    until(lambda: "cam1" in reports.statuses() and reports.statuses()["cam1"].stage == "active")
    broker.signal(signal.SIGKILL)
    broker.start()
    store.confirm()
    until(lambda: reports.statuses()["cam1"].stage == "confirmed")


def test_a_broker_that_cannot_be_reached_is_told(make_broker, reach, desk, pki) -> None:
    broker = make_broker()
    foreign = {"ca": pki / "ca.pem", "certificate": pki / "foreign.pem", "key": pki / "foreign.key"}
    for settings in ({**reach(1)}, {**reach(broker.port), "tls": foreign}):
        reports = Reports(ReportsSettings(**settings))
        with pytest.raises(DeliveryTrouble, match="RL-DELIVER-012") as caught:
            reports.statuses()
        assert "openssl s_client" in caught.value.hint
        reports.close()


def test_nonsense_is_passed_over_and_a_camera_that_the_broker_misses_is_away(
    make_broker, reach, camera, desk, until
) -> None:
    broker = make_broker()
    store, reports = camera(reach(broker.port)), desk(broker.port)
    until(lambda: "cam1" in reports.statuses())
    client = broker_client(MqttSettings(**reach(broker.port)), "somebody")
    client.connect("localhost", broker.port)
    client.loop_start()
    for payload in (b"{", b"[]", b'{"stage": 3}', b'{"stage": "x", "bad": [1]}', os.urandom(100)):
        client.publish("relens/cam2/state", payload, qos=1, retain=True).wait_for_publish(5)
    client.publish("relens/cam1/status", b"offline", qos=1).wait_for_publish(5)
    until(lambda: reports.statuses()["cam1"].stage == "away")
    client.publish("relens/cam1/status", b"online", qos=1).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()
    until(lambda: reports.statuses()["cam1"].stage == "empty")
    assert set(reports.statuses()) == {"cam1"}
    assert store.standing().active is None
