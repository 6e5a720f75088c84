"""What cameras tell a broker of themselves, heard from afar (MQTT 3.1.1, retained)."""

import json
import secrets
from collections.abc import Mapping
from threading import Lock
from time import monotonic, sleep
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.reasoncodes import ReasonCode

from relens.device.agent.status import AWAY, CameraStatus
from relens.device.outlets.broker import broker_client
from relens.device.outlets.outlet import why_away
from relens.errors import DeliveryTrouble
from relens.spec.fleet import ReportsSettings

GREETS_S, QUIET_S, MOST_S = 10.0, 1.0, 60.0
"""Until the broker greets; what it kept was heard once nothing new has come for so long, or after so long at most."""

OFFLINE = b"offline"


class Reports:
    """Listens from the first question until `close`; a connection that is lost comes back by itself.

    Args:
        settings: the broker.
    """

    def __init__(self, settings: ReportsSettings) -> None:
        self._settings = settings
        self._lock, self._heard_s = Lock(), 0.0
        self._states: dict[str, CameraStatus] = {}
        self._offline: set[str] = set()
        self._greeting: ReasonCode | None = None
        self._client: Client | None = None

    def statuses(self) -> Mapping[str, CameraStatus]:
        """Every camera that was heard of, by name; one whose connection the broker has lost is `away`.

        Raises:
            DeliveryTrouble: RL-DELIVER-012 when the broker cannot be reached.
        """
        if self._client is None:
            self._client = self._open()
            self._hear_all()
        with self._lock:
            return {name: self._seen(one) for name, one in self._states.items()}

    def close(self) -> None:
        """Hang up."""
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()

    def _seen(self, one: CameraStatus) -> CameraStatus:
        if one.camera not in self._offline:
            return one
        why = f"its connection to the broker is lost; it was {one.stage}"
        return CameraStatus(one.camera, AWAY, one.bundle, one.name, one.since, trouble=why, bad=one.bad)

    def _open(self) -> Client:
        settings = self._settings
        try:
            client = broker_client(settings, f"relens-desk-{secrets.token_hex(4)}", returns=True)
            client.on_connect, client.on_message = self._greeted, self._heard
            client.connect(settings.host, settings.port)
        except (OSError, ValueError) as trouble:
            raise self._away(why_away(trouble)) from None
        client.loop_start()
        end_s = monotonic() + GREETS_S
        while self._greeting is None and monotonic() < end_s:
            sleep(0.02)
        if self._greeting is None or self._greeting.is_failure:
            client.loop_stop()
            raise self._away(f"it refuses: {self._greeting}" if self._greeting else "it does not greet")
        return client

    def _hear_all(self) -> None:
        """What the broker has kept comes at once, in one go."""
        self._heard_s, end_s = monotonic(), monotonic() + MOST_S
        while monotonic() < min(end_s, self._heard_s + QUIET_S):
            sleep(0.05)

    def _greeted(self, client: Client, data: Any, flags: Any, reason: ReasonCode, properties: Any) -> None:
        self._greeting = reason
        topics = (self._settings.state_topic, self._settings.status_topic)
        client.subscribe([(topic.replace("{camera}", "+"), 1) for topic in topics])

    def _heard(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self._heard_s = monotonic()
        if (camera := _camera(message.topic, self._settings.status_topic)) is not None:
            with self._lock:
                (self._offline.add if message.payload == OFFLINE else self._offline.discard)(camera)
        elif (camera := _camera(message.topic, self._settings.state_topic)) is not None:
            try:
                status = CameraStatus.from_json({**json.loads(message.payload), "camera": camera})
            except (ValueError, TypeError):
                return  # whoever may write there can only speak for that camera
            with self._lock:
                self._states[camera] = status

    def _away(self, why: str) -> DeliveryTrouble:
        address = f"{self._settings.host}:{self._settings.port}"
        probe = f"openssl s_client -connect {address}" if self._settings.tls else f"curl -v telnet://{address}"
        return DeliveryTrouble(
            "RL-DELIVER-012", f"the broker {address}, in [reports]: {why}", hint=f"{probe} shows how far it gets"
        )


def _camera(topic: str, pattern: str) -> str | None:
    """What stands in a topic for `{camera}`; None where they do not fit."""
    levels, wanted = topic.split("/"), pattern.split("/")
    if len(levels) != len(wanted):
        return None
    pairs = list(zip(levels, wanted, strict=True))
    if any(level != want for level, want in pairs if want != "{camera}"):
        return None
    return next(level for level, want in pairs if want == "{camera}")
