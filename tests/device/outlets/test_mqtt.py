"""A real mosquitto with TLS and client certificates; it is killed, frozen and told to refuse."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from relens.device.events.log import EventLog
from relens.device.outlets import Courier, open_outlets
from relens.device.outlets.mqtt import WINDOW, Mqtt
from relens.errors import BadConfig, DeviceTrouble
from relens.spec.camera import CameraSettings, MqttSettings

STATUS = "relens/cam1/status"
EVENTS = "relens/cam1/events/door"

CAMERA = """
import sys, time
from pathlib import Path
from relens.device.events.log import EventLog
from relens.device.outlets import Courier
from relens.device.outlets.mqtt import Mqtt
from relens.spec.camera import KeepSettings, MqttSettings
log = EventLog(Path(sys.argv[1]), KeepSettings())
Courier(log, Mqtt(MqttSettings.model_validate_json(sys.argv[2]), "cam1")).start()
time.sleep(600)
"""

WRITER = """
import os, sys, time
from pathlib import Path
from relens.device.events.log import EventLog
from relens.spec.camera import KeepSettings
log = EventLog(Path(sys.argv[1]), KeepSettings())
for turn in range(int(sys.argv[2])):
    assert log.append({"event": f"door {turn + 1}"}, os.urandom(2000)) == turn + 1
    time.sleep(0.005)  # so that it is still writing while the broker goes
"""


@pytest.fixture
def settings(pki: Path) -> Callable[..., MqttSettings]:
    """To a broker on this port; takes `[mqtt]`, and `tls` with files of the pki by name."""

    def make(port: int, tls: dict[str, str] | None = None, **more: Any) -> MqttSettings:
        files = {"ca": "ca.pem", "certificate": "camera.pem", "key": "camera.key"} if tls is None else tls
        paths = {key: pki / name for key, name in files.items()}
        return MqttSettings(**{"host": "localhost", "port": port, "tls": paths} | more)

    return make


@pytest.fixture
def outlet(settings) -> Iterator[Callable[..., Mqtt]]:
    """An outlet to a broker; takes what `settings` takes."""
    made: list[Mqtt] = []

    def make(*arguments: Any, answer_s: float = 3.0, **more: Any) -> Mqtt:
        made.append(Mqtt(settings(*arguments, **more), "cam1", answer_s=answer_s))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def deliver(log: EventLog) -> Iterator[Callable[[Mqtt], Courier]]:
    """A courier at work."""
    made: list[Courier] = []

    def start(outlet: Mqtt) -> Courier:
        made.append(Courier(log, outlet, first_rest_s=0.1, longest_rest_s=0.5))
        made[-1].start()
        return made[-1]

    yield start
    for courier in made:
        courier.stop()


def fill(log: EventLog, count: int, jpeg: bytes | None = None) -> None:
    for _ in range(count):
        assert log.append({"event": "door"}, jpeg)


def numbers(witness) -> list[int]:
    return [json.loads(text)["number"] for text in witness.told(EVENTS)]


def test_an_event_arrives_with_its_number_camera_and_picture(log, make_broker, make_witness, outlet, until) -> None:
    broker = make_broker()
    witness, mqtt = make_witness(broker), outlet(broker.port, pictures=True)
    log.append({"event": "door", "phase": "began"}, b"JPEG")
    mqtt.open()
    assert [(one.number, one.refusal) for one in mqtt.send(log.after(0))] == [(1, None)]
    until(lambda: witness.told(EVENTS))
    picture = base64.b64encode(b"JPEG").decode()
    told = {"event": "door", "phase": "began", "number": 1, "camera": "cam1", "picture": picture}
    assert [json.loads(text) for text in witness.told(EVENTS)] == [told]


def test_the_status_is_retained_and_an_orderly_end_says_offline(make_broker, make_witness, outlet, until) -> None:
    broker = make_broker()
    mqtt = outlet(broker.port)
    mqtt.open()
    list(mqtt.send([]))
    late = make_witness(broker)
    until(lambda: late.told(STATUS) == ["online"])
    mqtt.close()
    until(lambda: late.told(STATUS) == ["online", "offline"])
    list(mqtt_again(broker, outlet))
    until(lambda: late.told(STATUS) == ["online", "offline", "online"])


def mqtt_again(broker, outlet) -> Iterator[Any]:
    """Another run of the camera: whatever the broker says of the one before it has said by then."""
    mqtt = outlet(broker.port)
    mqtt.open()
    return mqtt.send([])


def test_the_will_of_a_camera_that_is_killed_is_seen(log, make_broker, make_witness, settings, until, tmp_path) -> None:
    broker = make_broker()
    witness = make_witness(broker)
    fill(log, 3)
    command = [sys.executable, "-c", CAMERA, str(tmp_path / "events"), settings(broker.port).model_dump_json()]
    camera = subprocess.Popen(command)
    try:
        until(lambda: numbers(witness) == [1, 2, 3])
        assert witness.told(STATUS) == ["online"]
    finally:
        os.kill(camera.pid, signal.SIGKILL)
        camera.wait()
    until(lambda: witness.told(STATUS) == ["online", "offline"])
    late = make_witness(broker)
    until(lambda: late.told(STATUS) == ["offline"])


# paho leaves a socket whose handshake fails to Python's counting of references.
LEFT = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed:ResourceWarning")
OWN = {"certificate": "camera.pem", "key": "camera.key"}


@LEFT
@pytest.mark.parametrize(
    ("tls", "why"),
    [
        ({"ca": "foreign_ca.pem"} | OWN, "its certificate is not trusted"),
        (OWN, "its certificate is not trusted"),
        ({"ca": "ca.pem"}, "it hung up before it answered"),
        ({"ca": "ca.pem", "certificate": "foreign.pem", "key": "foreign.key"}, "it hung up before it answered"),
        ({"ca": "ca.pem", "certificate": "camera.pem", "key": "foreign.key"}, "cannot be used"),
        ({"ca": "camera.key"} | OWN, "cannot be used"),
    ],
    ids=["wrong ca", "public cas", "no certificate", "foreign certificate", "key of another", "ca is no certificate"],
)
def test_wrong_certificates_are_coded(make_broker, outlet, tls, why) -> None:
    broker = make_broker()
    with pytest.raises(DeviceTrouble, match=f"RL-OUTLET-001: the broker localhost:{broker.port}: .*{why}"):
        outlet(broker.port, tls).open()


@LEFT
def test_a_certificate_for_another_host_is_not_trusted(make_broker, outlet) -> None:
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*its certificate is not trusted: IP address mismatch"):
        outlet(make_broker().port, host="127.0.0.1").open()


def test_a_password_is_read_from_its_file_and_never_shown(log, make_broker, outlet, tmp_path) -> None:
    users, password = tmp_path / "users", tmp_path / "password"
    subprocess.run(["mosquitto_passwd", "-b", "-c", users, "cam", "s3cret"], check=True)
    broker = make_broker(f"password_file {users}", anonymous="false")
    mqtt = outlet(broker.port, user="cam", password_file=password)
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*password cannot be read"):
        mqtt.open()
    password.write_text("wr0ng")
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*refuses this camera: Not authorized") as trouble:
        mqtt.open()
    assert "wr0ng" not in f"{trouble.value!r} {mqtt!r} {vars(mqtt)}"
    password.write_text("s3cret\n")
    mqtt.close()
    mqtt.open()
    fill(log, 1)
    assert [one.number for one in mqtt.send(log.after(0))] == [1]


def test_nobody_there_is_coded(outlet) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*refused"):
        outlet(port).open()


def test_a_broker_that_is_frozen_is_given_up_and_the_rest_comes_after_it_thaws(
    log, make_broker, make_witness, outlet, deliver, until
) -> None:
    broker = make_broker()
    witness = make_witness(broker)
    courier = deliver(outlet(broker.port, answer_s=1.0))
    fill(log, 5)
    until(lambda: len(numbers(witness)) == 5)
    broker.signal(signal.SIGSTOP)
    fill(log, 45)
    until(lambda: "RL-OUTLET-001" in str(courier.status().trouble))
    time.sleep(1)
    broker.signal(signal.SIGCONT)
    until(lambda: courier.status().waiting == 0)
    until(lambda: set(numbers(witness)) == set(range(1, 51)))
    assert list(dict.fromkeys(numbers(witness))) == list(range(1, 51))
    until(lambda: witness.told(STATUS)[-1] == "online")


def test_a_broker_that_restarts_while_nothing_happens_is_told_that_the_camera_is_online(
    make_broker, make_witness, outlet, deliver, until
) -> None:
    broker = make_broker()
    courier = deliver(outlet(broker.port))
    witness = make_witness(broker)
    until(lambda: witness.told(STATUS) == ["online"])
    broker.signal(signal.SIGKILL)
    until(lambda: courier.status().trouble)
    broker.start()
    until(lambda: courier.status().trouble is None)
    late = make_witness(broker)
    until(lambda: late.told(STATUS)[-1:] == ["online"])


def test_an_event_that_the_broker_hangs_up_on_goes_without_its_picture(
    log, make_broker, make_witness, outlet, deliver, until
) -> None:
    broker = make_broker("max_packet_size 20000")
    witness = make_witness(broker)
    for number in range(1, 61):
        log.append({"event": "door"}, bytes(40_000 if number in (7, 30) else 1000))
    courier = deliver(outlet(broker.port, pictures=True))
    until(lambda: courier.status().waiting == 0)
    until(lambda: len(set(numbers(witness))) == 60)

    assert list(dict.fromkeys(numbers(witness))) == list(range(1, 61))
    without = {fact["number"] for fact in map(json.loads, witness.told(EVENTS)) if "picture" not in fact}
    assert without == {7, 30}
    assert (courier.status().sent, courier.status().refused) == (60, 0)


def test_what_fits_into_no_packet_is_refused_and_passed(log, make_broker, outlet) -> None:
    broker = make_broker()
    mqtt = outlet(broker.port)
    mqtt.open()
    for name in ("door", "x" * 70_000, "door"):
        log.append({"event": name})
    receipts = list(mqtt.send(log.after(0)))
    assert [one.number for one in receipts] == [1, 2, 3]
    assert [one.refusal and one.refusal.code for one in receipts] == [None, "RL-OUTLET-002", None]


def test_catching_up_does_not_wait_for_every_acknowledgement(log, make_broker, outlet, monkeypatch) -> None:
    mqtt, published = outlet(make_broker().port), []
    mqtt.open()
    fill(log, 3 * WINDOW)
    publish = mqtt._publish
    monkeypatch.setattr(mqtt, "_publish", lambda client, entry: [publish(client, entry), published.append(entry)][0])
    receipts = mqtt.send(log.after(0))
    assert (next(receipts).number, len(published)) == (1, WINDOW)
    assert [one.number for one in receipts] == list(range(2, 3 * WINDOW + 1))


def test_the_outlets_of_a_camera_are_those_in_its_file(settings, tmp_path, monkeypatch) -> None:
    whole = CameraSettings.model_validate(
        {
            "camera": {"source": "0"},
            "mqtt": settings(1).model_dump(),
            "webhook": {"url": "https://localhost/"},
            "lines": {"path": tmp_path / "lines"},
        }
    )
    assert [one.name for one in open_outlets(whole, "cam1")] == ["lines", "webhook", "mqtt"]
    assert open_outlets(CameraSettings.model_validate({"camera": {"source": "0"}}), "cam1") == []
    monkeypatch.delitem(sys.modules, "relens.device.outlets.mqtt")
    monkeypatch.setitem(sys.modules, "paho.mqtt.client", None)
    with pytest.raises(BadConfig, match=r"RL-CONFIG-006: .*paho.*\nhint: pip install paho-mqtt"):
        open_outlets(whole, "cam1")


def test_nothing_is_imported_for_outlets_that_are_not_there() -> None:
    code = "import sys, relens.device.outlets; print(sorted({'paho', 'ssl', 'http.client'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "paho" not in found, found


@pytest.mark.system
def test_ten_thousand_events_come_through_three_outages_and_a_freeze(
    log, make_broker, make_witness, outlet, until, tmp_path, capsys
) -> None:
    """The broker is killed three times and frozen once while events are written by another process.

    What has arrived is what its log says: it writes that before it acknowledges. A subscriber may miss what a broker
    had acknowledged and not yet passed on when it was killed; that is told, and its order is held.
    """
    count = 10_000
    # Which makes it slow: there is always something on its way when it is killed.
    broker = make_broker("autosave_on_changes true")
    witness = make_witness(broker)
    most_waiting, notes, began_s = 0, [], time.monotonic()
    courier = Courier(log, outlet(broker.port, pictures=True), lambda event, **facts: notes.append((event, facts)))
    courier.start()
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "events"), str(count)])
    try:
        for at in (1500, 3500, 5500, 7500):
            until(lambda at=at: len(witness.seen) > at, 300)
            if at == 5500:
                broker.signal(signal.SIGSTOP)
                time.sleep(8)
                most_waiting = max(most_waiting, courier.status().waiting)
                broker.signal(signal.SIGCONT)
            else:
                broker.signal(signal.SIGKILL)
                time.sleep(4)
                most_waiting = max(most_waiting, courier.status().waiting)
                broker.start()
        still_writing = writer.poll() is None
        assert writer.wait(300) == 0
        until(lambda: courier.status().waiting == 0, 300)
    finally:
        writer.kill()
        writer.wait()
        courier.stop()
    took_s, status, start = time.monotonic() - began_s, courier.status(), EVENTS + " "
    arrived = [int(topic.removeprefix(start)) for topic in broker.received() if topic.startswith(start)]
    until(lambda: str(count) in {topic.removeprefix(start) for topic, _ in list(witness.seen)})
    seen = list(dict.fromkeys(json.loads(text)["number"] for topic, text in witness.seen if topic.startswith(start)))
    away = [facts["why"].splitlines()[0] for event, facts in notes if event == "outlet away"]
    with capsys.disabled():
        figures = [
            f"{count} events, all arrived {took_s:.1f} s after the first was written",
            f"still writing in the last outage: {still_writing}, most waiting {most_waiting}, "
            f"duplicates {len(arrived) - len(set(arrived))}, "
            f"a subscriber missed {count - len(seen)}, away {len(away)} times:",
            *away,
        ]
        sys.stdout.write("\n".join(["", *figures, ""]))
    assert len(away) >= 4
    assert (status.sent, status.lost, status.refused) == (count, 0, 0)
    assert list(dict.fromkeys(arrived)) == list(range(1, count + 1))
    assert seen == sorted(seen)
