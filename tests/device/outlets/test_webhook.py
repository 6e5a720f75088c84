"""A real web server that fails in many ways."""

import base64
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from relens.device.events.log import EventLog
from relens.device.outlets import Courier
from relens.device.outlets.webhook import Webhook
from relens.errors import DeviceTrouble
from relens.spec.camera import WebhookSettings


class Server(ThreadingHTTPServer):
    """Answers with the next of its `answers`, and 200 where there is none left."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: deque[int | str] = deque()
        self.got: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.paths: list[str] = []
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_port}/events?key=hidden"

    def numbers(self) -> list[int]:
        return [body["number"] for _, body in self.got]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up is part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.answers.popleft() if self.server.answers else 200
        self.server.paths.append(self.path)
        if answer == "hang up":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        if answer == "slow":
            time.sleep(1.5)
            answer = 200
        elif answer == "nonsense":
            self.wfile.write(b"\x00\xff nonsense\r\n\r\n")
            self.close_connection = True
            return
        elif 200 <= answer < 300:
            self.server.got.append((dict(self.headers), body))
        self.send_response(answer)
        if 300 <= answer < 400:
            self.send_header("Location", f"http://localhost:{self.server.server_port}/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def do_GET(self) -> None:
        self.server.paths.append(f"GET {self.path}")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as made:
        thread = threading.Thread(target=made.serve_forever, args=(0.05,))
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture
def hook(server: Server) -> Callable[..., Webhook]:
    """A webhook to the server; takes settings."""

    def make(**settings: Any) -> Webhook:
        return Webhook(WebhookSettings(**{"url": server.url} | settings), "cam1", timeout_s=0.7)

    return make


def test_an_event_is_posted_with_its_number_camera_token_and_picture(log: EventLog, server, hook, tmp_path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    log.append({"event": "door"}, b"JPEG")
    webhook = hook(token_file=tmp_path / "token", pictures=True)
    webhook.open()

    (receipt,) = webhook.send(log.after(0))

    ((headers, body),) = server.got
    assert (receipt.number, receipt.refusal) == (1, None)
    assert body == {"event": "door", "number": 1, "camera": "cam1", "picture": base64.b64encode(b"JPEG").decode()}
    assert headers["Authorization"] == "Bearer s3cret"
    assert (headers["Idempotency-Key"], headers["Content-Type"]) == ("cam1-1", "application/json")
    assert server.paths == ["/events?key=hidden"]


@pytest.mark.parametrize(
    "answer", [500, 502, 503, 408, 425, 429, 401, 403, 404, 302, 307, "hang up", "nonsense", "slow"]
)
def test_what_may_pass_is_trouble_and_nothing_is_receipted(log: EventLog, server, hook, tmp_path, answer) -> None:
    (tmp_path / "token").write_text("s3cret")
    log.append({"event": "x"})
    server.answers.append(answer)
    with pytest.raises(DeviceTrouble, match="RL-OUTLET-001: the webhook http://localhost:") as trouble:
        list(hook(token_file=tmp_path / "token").send(log.after(0)))
    assert "hidden" not in str(trouble.value)
    assert "s3cret" not in str(trouble.value)
    assert len(server.paths) == 1, "redirects are not followed"


@pytest.mark.parametrize("answer", [400, 409, 413, 415, 422])
def test_an_event_that_is_refused_for_good_is_passed(log: EventLog, server, hook, answer) -> None:
    for _ in range(3):
        log.append({"event": "x"})
    server.answers.extend([200, answer])
    receipts = list(hook().send(log.after(0)))
    assert [one.number for one in receipts] == [1, 2, 3]
    assert [one.refusal and one.refusal.code for one in receipts] == [None, "RL-OUTLET-002", None]
    assert server.numbers() == [1, 3]


def test_a_picture_that_is_too_large_is_left_out(log: EventLog, server, hook) -> None:
    log.append({"event": "x"}, bytes(1000))
    server.answers.append(413)
    (receipt,) = hook(pictures=True).send(log.after(0))
    assert (receipt.refusal, "picture" in server.got[0][1]) == (None, False)


def test_nobody_there_is_trouble(log: EventLog, server, hook) -> None:
    log.append({"event": "x"})
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*refused"):
        list(hook(url=f"http://localhost:{port}/").send(log.after(0)))


def test_a_token_that_is_no_header_is_not_shown(log: EventLog, hook, tmp_path) -> None:
    (tmp_path / "token").write_text("s3cret\r\nX: y")
    log.append({"event": "x"})
    with pytest.raises(DeviceTrouble, match="RL-OUTLET-001") as trouble:
        list(hook(token_file=tmp_path / "token").send(log.after(0)))
    assert "s3cret" not in str(trouble.value)
    (tmp_path / "token").unlink()
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*token cannot be read"):
        hook(token_file=tmp_path / "token").open()


def test_a_server_with_tls_is_believed_when_the_ca_is_the_one_in_the_settings(log, server, hook, pki: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki / "server.pem", pki / "server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.scheme = "https"
    log.append({"event": "x"})

    assert len(list(hook(ca=pki / "ca.pem").send(log.after(0)))) == 1
    for wrong in (None, pki / "foreign_ca.pem"):
        with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*its certificate is not trusted"):
            list(hook(ca=wrong).send(log.after(0)))
    with pytest.raises(DeviceTrouble, match=r"RL-OUTLET-001: .*its certificate is not trusted"):
        list(hook(ca=pki / "ca.pem", url=server.url.replace("localhost", "127.0.0.1")).send(log.after(0)))
    assert server.numbers() == [1]


def test_a_courier_brings_everything_through_all_of_it(log: EventLog, server, hook, until) -> None:
    for _ in range(40):
        log.append({"event": "x"})
    answers = [200, 503, "hang up", 200, 200, "nonsense", 429, 302, "slow", 404, 200]
    server.answers.extend(answers * 2)
    courier = Courier(log, hook(), first_rest_s=0.02, longest_rest_s=0.05)
    courier.start()
    try:
        until(lambda: courier.status().waiting == 0)
    finally:
        courier.stop()
    assert server.numbers() == list(range(1, 41))
