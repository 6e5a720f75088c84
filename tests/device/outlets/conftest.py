"""A real mosquitto that can be killed and frozen, certificates to reach it with, and a log with events in it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion

from relens.device.events.log import EventLog
from relens.spec.camera import KeepSettings

MOSQUITTO = Path("/usr/sbin/mosquitto")

CONFIG = """
listener {port} 127.0.0.1
cafile {pki}/ca.pem
certfile {pki}/server.pem
keyfile {pki}/server.key
require_certificate true
allow_anonymous {anonymous}
{more}
user root
persistence true
persistence_location {folder}/
autosave_interval 1
max_inflight_messages 0
max_queued_messages 0
set_tcp_nodelay true
log_dest stderr
log_type all
"""


@pytest.fixture
def log(tmp_path: Path) -> Iterator[EventLog]:
    """An empty log."""
    made = EventLog(tmp_path / "events", KeepSettings())
    yield made
    made.close()


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PEM files: `ca` signed `server` (localhost) and `camera`; `foreign_ca` signed `foreign`."""
    if not shutil.which("openssl"):
        assert "CI" not in os.environ, "openssl has to be there in CI"
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("pki")
    for ca, signed in (("ca", {"server": "localhost", "camera": "cam1"}), ("foreign_ca", {"foreign": "cam1"})):
        _openssl(folder, "req -x509 -days 2", ca, f"/CN={ca}")
        for name, common_name in signed.items():
            _openssl(folder, f"req -x509 -days 2 -CA {ca}.pem -CAkey {ca}.key", name, f"/CN={common_name}")
    return folder


def _openssl(folder: Path, request: str, name: str, subject: str) -> None:
    ca = name.endswith("ca")
    extensions = ["basicConstraints=critical,CA:" + ("TRUE" if ca else "FALSE")]
    extensions += ["keyUsage=critical,keyCertSign,cRLSign"] if ca else ["subjectAltName=DNS:localhost"]
    key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    command = ["openssl", *request.split(), *key.split(), "-keyout", f"{name}.key", "-out", f"{name}.pem"]
    command += ["-subj", subject, *(word for one in extensions for word in ("-addext", one))]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@dataclass
class Broker:
    """mosquitto on a port of its own, with TLS and client certificates."""

    folder: Path
    pki: Path
    more: str = ""
    anonymous: str = "true"
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        if not self.port:
            with socket.create_server(("127.0.0.1", 0)) as taken:
                self.port = taken.getsockname()[1]
        values = {name: getattr(self, name) for name in ("port", "pki", "anonymous", "more", "folder")}
        config = self.folder / "mosquitto.conf"
        config.write_text(CONFIG.format(**values))
        with (self.folder / "log").open("ab") as log:  # stderr is not buffered: nothing of it is lost by kill -9
            self.process = subprocess.Popen([MOSQUITTO, "-c", config], stdout=subprocess.DEVNULL, stderr=log)
        end_s = time.monotonic() + 20
        while time.monotonic() < end_s:
            assert self.process.poll() is None, (self.folder / "log").read_text()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def received(self) -> list[str]:
        """The topics of what it has received, in order, by its own log: written before it acknowledges."""
        text = (self.folder / "log").read_text(errors="replace")
        return re.findall(r"Received PUBLISH from relens-cam1 \(.*?, '([^']*)'", text)

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def end(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def mosquitto() -> None:
    """Skips, except in CI, where there is none."""
    if not MOSQUITTO.exists():
        assert "CI" not in os.environ, f"{MOSQUITTO} has to be there in CI"
        pytest.skip(f"{MOSQUITTO} is not installed")


@pytest.fixture
def make_broker(mosquitto: None, tmp_path: Path, pki: Path) -> Iterator[Callable[..., Broker]]:
    """A running broker; takes more lines for its configuration."""
    made: list[Broker] = []

    def make(more: str = "", anonymous: str = "true") -> Broker:
        folder = tmp_path / f"broker{len(made)}"
        folder.mkdir()
        made.append(Broker(folder, pki, more, anonymous))
        made[-1].start()
        return made[-1]

    yield make
    for broker in made:
        broker.end()


@dataclass
class Witness:
    """A subscriber to everything, with a session that the broker keeps for it."""

    client: Client
    seen: list[tuple[str, str]] = field(default_factory=list)
    there: threading.Event = field(default_factory=threading.Event)

    def told(self, topic: str) -> list[str]:
        return [text for name, text in list(self.seen) if name == topic]


@pytest.fixture
def make_witness(pki: Path) -> Iterator[Callable[[Broker], Witness]]:
    """Somebody who listens to a broker, and comes back to it."""
    made: list[Client] = []

    def make(broker: Broker, user: str | None = None) -> Witness:
        client = Client(CallbackAPIVersion.VERSION2, f"witness{len(made)}", clean_session=False, protocol=MQTTv311)
        witness = Witness(client)
        if user is not None:
            client.username_pw_set(user, "secret")
        client.tls_set(str(pki / "ca.pem"), str(pki / "camera.pem"), str(pki / "camera.key"))
        client.reconnect_delay_set(1, 1)

        def greeted(client: Client, *_: Any) -> None:
            client.subscribe("#", qos=1)

        client.on_connect = greeted
        client.on_subscribe = lambda *_: witness.there.set()
        client.on_message = lambda _, __, message: witness.seen.append((message.topic, message.payload.decode()))
        client.connect("localhost", broker.port, keepalive=60)
        client.loop_start()
        made.append(client)
        assert witness.there.wait(20)
        return witness

    yield make
    for client in made:
        client.disconnect()
        client.loop_stop()
