"""A web address that events are posted to."""

import json
import ssl
from collections.abc import Iterator, Sequence
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from relens.device.events.log import Entry
from relens.device.outlets.outlet import Receipt, payload, read_secret, why_away
from relens.errors import DeviceTrouble
from relens.spec.camera import WebhookSettings

TIMEOUT_S = 10.0
MOST_ANSWER_BYTES = 1 << 16

REFUSALS = {400, 406, 409, 413, 414, 415, 422, 431}
"""Answers about this one event. What else is not 2xx is about the address, the token or the moment, and may change:
401, 403 and 404, too, which a proxy says while the server behind it is replaced."""

TOO_LARGE = 413


class Webhook:
    """An `Outlet`: every event is one POST, and the next one waits for its answer. No proxy, no redirects.

    A picture that is too large for it is left out.
    """

    name = "webhook"

    def __init__(self, settings: WebhookSettings, camera: str, *, timeout_s: float = TIMEOUT_S) -> None:
        self._settings, self.camera, self.timeout_s = settings, camera, timeout_s
        self._url = urlsplit(settings.url)
        self._where = f"{self._url.scheme}://{self._url.hostname}:{_port(self._url)}"  # paths may be secret, too

    def open(self) -> None:
        """Nothing to reach before there is something to say; the token has to be there."""
        self._headers(0)

    def send(self, entries: Sequence[Entry]) -> Iterator[Receipt]:
        """Post them over one connection, one by one."""
        if not entries:
            return
        connection = self._connection()
        try:
            for entry in entries:
                status = self._post(connection, entry, picture=self._settings.pictures)
                if status == TOO_LARGE and self._settings.pictures:
                    status = self._post(connection, entry, picture=False)
                yield Receipt(entry.number, self._judged(status, entry.number))
        finally:
            connection.close()

    def close(self) -> None:
        """Nothing stays open between events."""

    def _post(self, connection: HTTPConnection, entry: Entry, *, picture: bool) -> int:
        body = json.dumps(payload(entry, self.camera, picture=picture)).encode()
        path = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        headers = self._headers(entry.number)
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            _drain(answer, connection)
        except (OSError, HTTPException, ValueError) as trouble:
            raise self._away(why_away(trouble)) from None
        return answer.status

    def _judged(self, status: int, number: int) -> DeviceTrouble | None:
        if 200 <= status < 300:
            return None
        if status in REFUSALS:
            return DeviceTrouble(
                "RL-OUTLET-002",
                f"{self._where} answered {status} to event {number}: it does not take this one",
                hint=f"see the server's log about Idempotency-Key {self.camera}-{number}",
            )
        raise self._away(f"it answered {status}" + (", and redirects are not followed" if 300 <= status < 400 else ""))

    def _away(self, why: str) -> DeviceTrouble:
        return DeviceTrouble(
            "RL-OUTLET-001",
            f"the webhook {self._where}: {why}",
            hint="compare [webhook] url and token_file with what the server expects",
        )

    def _headers(self, number: int) -> dict[str, str]:
        headers = {"Content-Type": "application/json", "Idempotency-Key": _ascii(f"{self.camera}-{number}")}
        if self._settings.token_file is not None:
            headers["Authorization"] = f"Bearer {read_secret(self._settings.token_file)}"
        return headers

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", _port(self._url)
        if self._url.scheme == "http":
            return HTTPConnection(host, port, timeout=self.timeout_s)
        try:
            trusted = ssl.create_default_context(cafile=self._settings.ca)
        except OSError as trouble:
            raise self._away(f"{self._settings.ca} holds no certificates: {why_away(trouble)}") from None
        return HTTPSConnection(host, port, timeout=self.timeout_s, context=trusted)


def _port(url: SplitResult) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _drain(answer: HTTPResponse, connection: HTTPConnection) -> None:
    """Make the connection free for the next event; an answer that does not end is not waited for."""
    answer.read(MOST_ANSWER_BYTES)
    if not answer.isclosed():
        connection.close()


def _ascii(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode()
