"""A real network camera (GStreamer's RTSP server) that freezes, dies, changes its size and asks for a password."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from relens.device import open_camera
from relens.device.agent import Store
from relens.errors import DeviceTrouble

pytestmark = pytest.mark.system

PYTHON, SERVER = "/usr/bin/python3", Path(__file__).parent / "rtsp_server.py"
PASSWORD = "p@ss:w/rd #41"
NEEDS = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@dataclass
class Server:
    """The camera, started and started again on the same port."""

    stack: ExitStack
    port: int = 0
    process: "subprocess.Popen[str]" = field(init=False)

    def start(self, *options: str) -> None:
        command = [PYTHON, SERVER, "--port", str(self.port), *options]
        self.process = self.stack.enter_context(
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PASSWORD": PASSWORD})
        )
        self.stack.callback(self.process.kill)
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def send(self, number: int) -> float:
        """A signal; when."""
        os.kill(self.process.pid, number)
        return time.monotonic()

    @property
    def address(self) -> str:
        return f"rtsp://cam@127.0.0.1:{self.port}/yard"


@pytest.fixture
def server() -> Iterator[Server]:
    if subprocess.run([PYTHON, "-c", NEEDS], capture_output=True, check=False).returncode:
        assert "CI" not in os.environ, "GStreamer's RTSP server has to be there in CI"
        pytest.skip("needs python3-gi, gir1.2-gst-rtsp-server-1.0 and gstreamer1.0-plugins-{good,ugly}")
    with ExitStack() as stack:
        server = Server(stack)
        server.start()
        yield server


@pytest.fixture
def password(tmp_path: Path) -> Path:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    return file


class Viewer:
    """Reads a camera in a thread, and keeps when each frame came and of what size."""

    def __init__(self, camera) -> None:
        self.camera, self.frames = camera, []
        self.thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while (frame := self.camera.read()) is not None:
            self.frames.append((time.monotonic(), frame.shape[1::-1]))

    def frame_after(self, moment_s: float, size: tuple[int, int] | None = None) -> float:
        """Seconds until a frame came, of a size."""
        for _ in range(900):
            for at_s, found in self.frames[-400:]:
                if at_s > moment_s and size in (None, found):
                    return at_s - moment_s
            time.sleep(0.05)
        raise AssertionError("no frame came")


@contextmanager
def viewing(server: Server, password: Path) -> Iterator[Viewer]:
    camera = open_camera(server.address, password_file=password)
    camera.open()
    viewer = Viewer(camera)
    viewer.thread.start()
    try:
        viewer.frame_after(0)
        yield viewer
    finally:
        camera.close()
        viewer.thread.join(30)


def test_a_camera_that_freezes_is_noticed_within_ten_seconds_and_is_back(
    server, password, caplog, record_property, soon
) -> None:
    with viewing(server, password) as viewer:
        server.send(signal.SIGSTOP)
        noticed_s = soon(lambda: viewer.camera.trouble)
        assert noticed_s <= 10
        thawed = server.send(signal.SIGCONT)
        back_s = viewer.frame_after(thawed + 0.001)
        assert viewer.camera.lost == 1
        soon(lambda: viewer.camera.trouble is None)
        # It goes on talking, and shows nothing.
        server.send(signal.SIGUSR2)
        silent_s = soon(lambda: viewer.camera.trouble)
        assert silent_s <= 10 and viewer.camera.lost == 2
    told(record_property, frozen_noticed_s=noticed_s, frozen_back_s=back_s, silent_noticed_s=silent_s)
    assert PASSWORD not in caplog.text and "p%40ss" not in caplog.text
    assert "gives no more frames" in caplog.text and "is back after" in caplog.text


def test_a_camera_that_dies_is_opened_again_when_it_is_back_also_with_another_codec(
    server, password, record_property, soon
) -> None:
    with viewing(server, password) as viewer:
        server.send(signal.SIGKILL)
        noticed_s = soon(lambda: viewer.camera.trouble)
        time.sleep(2)
        server.start("--codec", "jpeg", "--size", "352x288")
        back_s = viewer.frame_after(time.monotonic(), (352, 288))
        assert viewer.camera.lost == 1
    assert noticed_s <= 1, "the connection's end is seen at once"
    told(record_property, killed_noticed_s=noticed_s, killed_back_s=back_s)


def test_a_size_that_changes_in_the_running_stream_is_followed(server, password, record_property) -> None:
    with viewing(server, password) as viewer:
        assert viewer.frames[-1][1] == (320, 240)
        changed_s = viewer.frame_after(server.send(signal.SIGUSR1), (480, 270))
        assert (viewer.camera.lost, viewer.camera.trouble) == (0, None)
    told(record_property, resized_s=changed_s)


def test_a_wrong_password_is_told_and_a_right_one_let_in(server, password, tmp_path, caplog) -> None:
    (tmp_path / "wrong").write_text("hush-hush")
    for file in (tmp_path / "wrong", None):
        with pytest.raises(DeviceTrouble, match=r"RL-CAMERA-001.*nauthorized") as caught:
            open_camera(server.address, password_file=file).open()
        assert "hush" not in str(caught.value)
    camera = open_camera(server.address, patient=True, password_file=tmp_path / "wrong")
    camera.open()
    assert "nauthorized" in camera.trouble
    shutil.copy(password, tmp_path / "wrong")  # it is corrected while the agent runs
    assert camera.read().shape == (240, 320, 3)
    camera.close()
    assert "hush" not in caplog.text and PASSWORD not in caplog.text


def test_an_agent_lives_through_it_and_blames_no_bundle(
    server, password, shapes, tmp_path, record_property, relens, soon
) -> None:
    from relens import package

    model = shutil.copy(shapes.graph, tmp_path / "shapes.tflite")
    package(model, tmp_path / "shapes.relens", labels=("circle", "square", "cross"))
    (tmp_path / "camera.toml").write_text(
        f'[camera]\nsource = "{server.address}"\npassword_file = "password"\n[page]\nport = 0\n'
        "[agent]\nconfirm_after_s = 3\n"
    )
    state = tmp_path / "state"
    relens("device", "install", tmp_path / "shapes.relens", "--state", state)
    command = [sys.executable, "-m", "relens", "device", "run"]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(
        [*command, "--settings", tmp_path / "camera.toml", "--state", state], stderr=log
    ) as agent:  # fmt: skip
        try:
            store = Store(state)
            soon(lambda: store.standing().good)
            page = relens("device", "page", "--state", state).stdout.strip()
            server.send(signal.SIGSTOP)
            frozen_s = soon(lambda: asked(page, "api/status")["loop"]["trouble"])
            server.send(signal.SIGCONT)
            back_s = soon(lambda: asked(page, "api/status")["loop"]["trouble"] is None)
            assert asked(page, "api/status")["loop"]["lost"] == 1
            server.send(signal.SIGKILL)
            soon(lambda: not asked(page, "healthz")["healthy"])
            server.start("--size", "640x480")
            soon(lambda: asked(page, "healthz")["healthy"])
            assert asked(page, "api/status")["frame"]["width"] == 640
            assert agent.poll() is None
        finally:
            agent.terminate()
    said = (tmp_path / "log").read_text() + store.journal.path.read_text()
    assert PASSWORD not in said and "p%40ss" not in said
    assert not [fact for fact in store.journal if fact["event"] in ("bad", "ended", "rolled back")]
    told(record_property, agent_frozen_told_s=frozen_s, agent_back_s=back_s)


def asked(page: str, path: str) -> dict:
    """What the agent's page answers; its address has the token."""
    try:
        with urllib.request.urlopen(page.replace("/?", f"/{path}?"), timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as answer:
        return json.load(answer)


def told(record_property: Callable[[str, object], None], **seconds: float) -> None:
    """For docs/measurements.md."""
    for name, value in seconds.items():
        record_property(name, f"{value:.2f}")
        sys.stdout.write(f"{name} {value:.2f}\n")
