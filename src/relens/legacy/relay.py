"""What a function publishes, on its way to a broker."""

import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from time import monotonic, sleep
from typing import Any

from paho.mqtt.client import MQTT_ERR_SUCCESS

from relens.device.outlets.broker import broker_away, broker_client
from relens.device.outlets.outlet import why_away
from relens.spec import BrokerSettings

MOST_WAITING = 1000
FAREWELL_S = 3.0
REACH_S = 10.0


class Relay:
    """A connection to a broker, which comes back by itself.

    Messages go with QoS 1; while the broker is away, the newest `MOST_WAITING` wait for it. lost: how many did not.

    Args:
        settings: of the broker.
        thing: the camera's name there.

    Raises:
        DeviceTrouble: `open` RL-OUTLET-001 when it cannot be reached.
    """

    def __init__(self, settings: BrokerSettings, thing: str) -> None:
        self.settings, self.lost = settings, 0
        try:
            # Two with one name would throw each other off for ever.
            self._client = broker_client(settings, f"relens-legacy-{thing}-{secrets.token_hex(3)}", returns=True)
        except (OSError, ValueError) as trouble:
            raise broker_away(settings, why_away(trouble)) from None
        self._client.max_queued_messages_set(MOST_WAITING)
        self._client.on_publish = self._arrived
        self._sent = self._acknowledged = 0
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._lock = Lock()

    def __enter__(self) -> "Relay":
        greeted: list[Any] = []
        self._client.on_connect = lambda client, data, flags, reason, properties: greeted.append(reason)
        try:
            self._client.connect(self.settings.host, self.settings.port, keepalive=20)
        except (OSError, ValueError) as trouble:
            raise broker_away(self.settings, why_away(trouble)) from None
        self._client.loop_start()
        if not _within(REACH_S, lambda: bool(greeted)):
            self._client.loop_stop()
            raise broker_away(self.settings, "it did not answer in time")
        if greeted[0].is_failure:
            self._client.loop_stop()
            raise broker_away(self.settings, f"it refuses this camera: {greeted[0]}")
        self._client.on_connect = self._back
        return self

    def __exit__(self, *trouble: object) -> None:
        with suppress(OSError, ValueError):
            _within(FAREWELL_S, lambda: self._acknowledged >= self._sent and not self._waiting)
            self.lost += len(self._waiting)
            self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Send a message, or let it wait.

        Raises:
            ValueError: no broker can take it: an empty topic, or one with wildcards, or more than 256 MB.
        """
        with self._lock:
            self._waiting.append((topic, payload))
            if self._client.is_connected():
                self._send()
            while len(self._waiting) > MOST_WAITING:
                self._waiting.popleft()
                self.lost += 1

    def _send(self) -> None:
        while self._waiting:
            topic, payload = self._waiting.popleft()
            if self._client.publish(topic, payload, qos=1).rc != MQTT_ERR_SUCCESS:
                self._waiting.appendleft((topic, payload))
                return
            self._sent += 1

    def _back(self, *told: Any) -> None:
        with self._lock:
            self._send()

    def _arrived(self, *told: Any) -> None:
        self._acknowledged += 1
        self._back()


def _within(seconds: float, done: Callable[[], bool]) -> bool:
    end_s = monotonic() + seconds
    while not done() and monotonic() < end_s:
        sleep(0.01)
    return done()
