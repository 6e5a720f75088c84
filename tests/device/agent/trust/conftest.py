"""A repository on a real web server, and what may be done to either."""

import functools
import http.server
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relens.bundle import open_bundle
from relens.deliver import KeyRing, create_repository, make_keys, publish, refresh, replace_key, repository
from relens.device.agent import Store
from relens.device.agent.trust import enrol, fetch

PASSPHRASE = "correct horse"


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and parts of its files; drips, hangs up and counts as the server is told to."""

    def log_message(self, *said: object) -> None: ...

    def do_GET(self) -> None:
        file = Path(self.translate_path(self.path))
        if not file.is_file():
            self.send_error(404)
            return
        content = file.read_bytes()
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, end = (int(part[1]), int(part[2]) + 1) if part and self.server.knows_ranges else (0, len(content))
        self.send_response(206 if (start, end) != (0, len(content)) else 200)
        self.send_header("Content-Length", str(end - start))
        self.end_headers()
        self._send(content[start:end], file.name)

    def _send(self, content: bytes, name: str) -> None:
        server = self.server
        is_bundle = name.endswith(".relens")
        if server.drips:
            for at in range(len(content)):
                self.wfile.write(content[at : at + 1])
                self.wfile.flush()
                if server.stopping.wait(server.drips):
                    return
        if is_bundle and server.cuts_at is not None:
            content, server.cuts_at = content[: server.cuts_at], None
        self.wfile.write(content)
        if is_bundle:
            server.given += len(content)


class Server(http.server.ThreadingHTTPServer):
    """drips: seconds between two bytes. cuts_at: the next bundle ends after so many. given: bytes of bundles."""

    drips = 0.0
    cuts_at: int | None = None
    knows_ranges = True
    given = 0
    daemon_threads = True
    stopping = threading.Event()

    def handle_error(self, request: object, address: object) -> None: ...


@dataclass
class Desk:
    """A repository, its keys, and the web server that shows it."""

    folder: Path
    server: Server
    write: Callable[..., Path]
    names: list[str] = field(default_factory=list)

    @property
    def repository(self) -> Path:
        return self.folder / "repository"

    @property
    def keys(self) -> KeyRing:
        return KeyRing(self.folder / "keys", PASSPHRASE)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/repository"

    def offer(self, name: str, channel: str = "stable", keys: KeyRing | None = None, folder: Path | None = None) -> str:
        """Publish a bundle; its id."""
        bundle = open_bundle(self.write(name), self.folder)
        return publish(folder or self.repository, bundle, channel, keys or self.keys).bundle

    def offer_whole(self, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
        """The same without its pieces, so that all of it is asked for, whatever the camera has."""
        with monkeypatch.context() as patch:
            patch.setattr(repository, "pieces_of", lambda content: [])
            return self.offer(name)

    def copy_to(self, name: str) -> None:
        """The repository as it is now."""
        shutil.copytree(self.repository, self.folder / name)

    def target(self) -> Path:
        """The newest bundle's file."""
        return max((self.repository / "targets").iterdir(), key=lambda file: file.stat().st_mtime_ns)


@pytest.fixture
def desk(tmp_path, write) -> Iterator[Desk]:
    handler = functools.partial(Handler, directory=tmp_path)
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        desk = Desk(tmp_path, server, write)
        make_keys(tmp_path / "keys", PASSPHRASE)
        create_repository(desk.repository, desk.keys)
        yield desk
        server.stopping.set()
        server.shutdown()
        thread.join()
        server.stopping.clear()


@pytest.fixture
def camera(desk, tmp_path) -> Store:
    store = Store(tmp_path / "state")
    enrol(store, desk.repository / "metadata/1.root.json", desk.url)
    return store


def older_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rollback: what was signed once is shown again."""
    shutil.rmtree(desk.repository)
    shutil.copytree(desk.folder / "before", desk.repository)


def frozen(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Freeze: nothing newer is shown, until it has expired."""
    monkeypatch.setitem(repository.DAYS, "timestamp", -1)
    refresh(desk.repository, desk.keys)


def mixed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mix and match: an older list of bundles under the name of the newest."""
    desk.offer("third")
    newest = max((desk.repository / "metadata").glob("*.targets.json"), key=lambda file: int(file.name.split(".")[0]))
    shutil.copy(desk.repository / "metadata/2.targets.json", newest)


def foreign(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's repository at this address."""
    shutil.rmtree(desk.repository)
    keys = make_keys(desk.folder / "foreign keys", PASSPHRASE)
    create_repository(desk.repository, keys)
    for name in ("third", "fourth", "fifth"):
        desk.offer(name, keys=keys)


def tampered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte of the bundle is another one."""
    desk.offer_whole("third", monkeypatch)
    content = bytearray(desk.target().read_bytes())
    content[len(content) // 2] ^= 1
    desk.target().write_bytes(content)


def too_long(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """More is sent than was signed for."""
    desk.offer_whole("third", monkeypatch)
    with desk.target().open("ab") as file:
        file.write(bytes(1_000_000))


def slow(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives a byte, and then nothing."""
    desk.offer("third")
    desk.server.drips = 5.0


def dripping(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that gives a byte now and then, for ever."""
    desk.offer("third")
    desk.server.drips = 0.2


def endless(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words without an end, where a small file was asked for."""
    with (desk.repository / "metadata/timestamp.json").open("ab") as file:
        file.write(b" " * 5_000_000)


def revoked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stole the keys publishes with one that counts no more."""
    shutil.copytree(desk.folder / "keys", desk.folder / "stolen")
    shutil.copytree(desk.repository, desk.folder / "stolen repository")
    replace_key(desk.repository, desk.keys, "targets")
    camera = Store(desk.folder / "state")
    assert fetch(camera, "cam1") is None, "the camera has heard of the new key"
    for name in ("third", "fourth", "fifth"):
        stolen = KeyRing(desk.folder / "stolen", PASSPHRASE)
        desk.offer(name, keys=stolen, folder=desk.folder / "stolen repository")
    shutil.rmtree(desk.repository)
    shutil.copytree(desk.folder / "stolen repository", desk.repository)


ATTACKS = [
    (older_again, "RL-DELIVER-004"),
    (frozen, "RL-DELIVER-005"),
    (mixed, "RL-DELIVER-004"),
    (foreign, "RL-DELIVER-004"),
    (tampered, "RL-DELIVER-004"),
    (too_long, "RL-DELIVER-004"),
    (slow, "RL-DELIVER-003"),
    (dripping, "RL-DELIVER-003"),
    (endless, "RL-DELIVER-004"),
    (revoked, "RL-DELIVER-004"),
]
"""What is done, and the code of what a camera says to that."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "attack" in metafunc.fixturenames:
        names = [attack.__name__ for attack, _ in ATTACKS]
        metafunc.parametrize(("attack", "code"), ATTACKS, ids=names)
