"""A broker, by MQTT 3.1.1."""

import json
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from paho.mqtt.client import MQTT_ERR_SUCCESS, Client
from paho.mqtt.enums import LogLevel
from paho.mqtt.reasoncodes import ReasonCode

from relens.device.events.log import Entry
from relens.device.outlets.broker import broker_away, broker_client
from relens.device.outlets.outlet import News, Receipt, payload, why_away
from relens.errors import DeviceTrouble
from relens.spec.camera import MqttSettings

WINDOW = 20
"""Events on their way at the same time; paho's own limit, too."""

ANSWER_S = 10.0
"""Until the broker greets, or acknowledges the oldest event on its way."""

KEEPALIVE_S = 20
"""The broker says `offline` after half as much again."""

FAREWELL_S = 2.0
HANG_UPS = 2
ONLINE, OFFLINE = "online", "offline"


class Mqtt:
    """An `Outlet`: an event is receipted when the broker has acknowledged it (QoS 1).

    The connection lives in the courier's thread, without one of its own. After trouble a new one begins, under the same
    client id: the broker ends the old one before it takes anything from the new, so order is kept.

    A broker may hang up on an event that is too large for it, and version 3.1.1 has no way to say so. After the
    connection was closed on it, events go one by one until those that were on their way have arrived; and one on which
    it was closed twice in a row goes without its picture.
    """

    name = "mqtt"

    def __init__(
        self, settings: MqttSettings, camera: str, bulletin: News | None = None, *, answer_s: float = ANSWER_S
    ) -> None:
        self._settings, self.camera, self._answer_s, self._bulletin = settings, camera, answer_s, bulletin
        self._status_topic = settings.status_topic.format(camera=camera, event="status")
        self._state_topic = settings.state_topic.format(camera=camera, event="state")
        self._client: Client | None = None
        self._greeting: ReasonCode | None = None
        self._acknowledged: set[int] = set()
        self._said = ""
        self._last_in_flight = self._suspect = self._hang_ups = 0

    def open(self) -> None:
        """Connect, and say `online`."""
        self._greeting, self._said = None, ""
        self._acknowledged.clear()
        client = self._client = self._new_client()
        try:
            client.connect(self._settings.host, self._settings.port, keepalive=KEEPALIVE_S)
        except (OSError, ValueError) as trouble:
            raise self._away(why_away(trouble)) from None
        if not self._go_on(lambda: self._greeting is not None):
            raise self._away(self._hung_up("it answered") if client.socket() is None else "it did not answer in time")
        greeting = cast(ReasonCode, self._greeting)
        if greeting.is_failure:
            raise self._away(f"it refuses this camera: {greeting}")
        client.publish(self._status_topic, ONLINE, qos=1, retain=True)
        if self._bulletin is not None:
            self._bulletin.forget()

    def send(self, entries: Sequence[Entry]) -> Iterator[Receipt]:
        """Publish them, with so many on their way at the same time as `WINDOW`."""
        if self._client is None or self._client.loop(timeout=0) != MQTT_ERR_SUCCESS:
            raise self._away(self._hung_up("there was anything to say"))
        if self._bulletin is not None and (news := self._bulletin.news()) is not None:
            self._client.publish(self._state_topic, json.dumps(news), qos=1, retain=True)
        rest, in_flight = deque(entries), deque[tuple[int, int | DeviceTrouble]]()
        while rest or in_flight:
            while rest and len(in_flight) < (1 if rest[0].number <= self._last_in_flight else WINDOW):
                entry = rest.popleft()
                in_flight.append((entry.number, self._publish(self._client, entry)))
            number, sent = in_flight[0]
            if isinstance(sent, DeviceTrouble):
                yield Receipt(number, sent)
            elif self._go_on(lambda mid=sent: mid in self._acknowledged):  # type: ignore[misc]
                self._acknowledged.discard(sent)
                yield Receipt(number)
            else:
                raise self._broken_off(number, in_flight[-1][0])
            in_flight.popleft()

    def close(self) -> None:
        """Say `offline` where somebody listens; else the broker says it for us."""
        client, self._client = self._client, None
        if client is None:
            return
        try:
            if client.is_connected():
                message = client.publish(self._status_topic, OFFLINE, qos=1, retain=True)
                self._go_on(lambda: message.mid in self._acknowledged, client, FAREWELL_S)
                client.disconnect()
            self._hang_up(client)
        except (OSError, ValueError):
            pass  # it was gone already

    def _new_client(self) -> Client:
        try:
            client = broker_client(self._settings, f"relens-{self.camera}")
        except (OSError, ValueError) as trouble:
            raise self._away(f"the files in [mqtt.tls] cannot be used: {why_away(trouble)}") from None
        client.on_connect, client.on_publish, client.on_log = self._greeted, self._published, self._logged
        client.will_set(self._status_topic, OFFLINE, qos=1, retain=True)
        return client

    def _publish(self, client: Client, entry: Entry) -> int | DeviceTrouble:
        """The message's id, or why no broker can take it."""
        with_picture = self._settings.pictures and not (entry.number == self._suspect and self._hang_ups >= HANG_UPS)
        topic = self._settings.topic.format(camera=self.camera, event=entry.facts.get("event", ""))
        try:
            mid = client.publish(topic, json.dumps(payload(entry, self.camera, picture=with_picture)), qos=1).mid
            self._acknowledged.discard(mid)  # of a message long ago: ids go round
            return mid
        except ValueError as trouble:
            return DeviceTrouble(
                "RL-OUTLET-002",
                f"event {entry.number} does not fit into MQTT: {trouble}",
                hint="correct [mqtt] topic, or leave pictures away",
            )

    def _go_on(self, done: Callable[[], bool], client: Client | None = None, seconds: float | None = None) -> bool:
        """Let the connection live until something holds; False when it ended, or was silent for too long."""
        client = client or self._client
        end_s = time.monotonic() + (self._answer_s if seconds is None else seconds)
        while not done():
            left_s = end_s - time.monotonic()
            if client is None or left_s <= 0 or client.loop(timeout=min(left_s, 1.0)) != MQTT_ERR_SUCCESS:
                return done()
        return True

    def _broken_off(self, first: int, last: int) -> DeviceTrouble:
        """What is not acknowledged will be sent again: carefully, where the broker may have hung up on it."""
        if self._client is not None and self._client.is_connected():
            client, self._client = self._client, None
            self._hang_up(client)  # without a farewell, which would wait for the same silent broker
            return self._away("it stopped acknowledging")
        self._hang_ups = self._hang_ups + 1 if first == self._suspect else 1
        self._suspect, self._last_in_flight = first, last
        return self._away(self._hung_up(f"it acknowledged event {first}"))

    def _hung_up(self, before: str) -> str:
        return f"it hung up before {before}{self._said and ': '}{self._said}"

    def _hang_up(self, client: Client) -> None:
        """At once, whoever is silent at the other end."""
        connection = cast(socket.socket | None, client.socket())
        if connection is not None:
            connection.shutdown(socket.SHUT_RDWR)
            client.loop(timeout=0)

    def _away(self, why: str) -> DeviceTrouble:
        return broker_away(self._settings, why)

    def _greeted(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._greeting = reason

    def _published(self, client: Client, data: Any, mid: int, reason: ReasonCode, properties: Any) -> None:
        self._acknowledged.add(mid)

    def _logged(self, client: Client, data: Any, level: int, line: str) -> None:
        # Why a connection ended is said nowhere else; that it has ended is known.
        if level == LogLevel.MQTT_LOG_ERR and not self._said and not line.startswith("Client is not connected"):
            self._said = line
