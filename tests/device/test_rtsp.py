"""The RTSP camera against a small server that speaks RTSP and sends real RTP packets over the same connection."""

import base64
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

import av
import numpy as np
import pytest

from relens.device import open_camera
from relens.device.camera.rtsp import Rtsp
from relens.errors import DeviceTrouble
from relens.vision import Frame

pytestmark = pytest.mark.alone

SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=clip\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 0 RTP/AVP 32\r\n"
ANSWERS = {
    "OPTIONS": "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n\r\n",
    "DESCRIBE": f"Content-Type: application/sdp\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}",
    "SETUP": "Session: 1\r\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n\r\n",
    "PLAY": "Session: 1\r\n\r\n",
}


class Interleaved:
    """A file for libav's RTP muxer: each write is one packet, and goes out with RTSP's `$` header."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def write(self, packet: bytes) -> int:
        channel = 1 if 200 <= packet[1] <= 204 else 0  # RTCP beside RTP
        self.connection.sendall(struct.pack(">BBH", 0x24, channel, len(packet)) + packet)
        return len(packet)


@dataclass(frozen=True)
class Act:
    """What the server does with one connection: a clip, then silence for a while. Or it wants another password: any
    other one, or other than `password`.
    """

    frames: int = 60
    size: tuple[int, int] = (64, 48)
    silent_s: float = 0.0
    refuse: bool = False
    password: str | None = None

    def lets_in(self, authorization: str) -> bool:
        """Whether a request's header (Basic) is enough."""
        expected = base64.b64encode(f"user:{self.password}".encode()).decode()
        return not self.refuse and (self.password is None or authorization == f"Basic {expected}")


def play(connection: socket.socket, act: Act) -> None:
    with av.open(Interleaved(connection), "w", format="rtp", options={"packetsize": "1200"}) as muxer:
        stream = muxer.add_stream("mpeg2video", rate=30)
        stream.bit_rate = 2_000_000
        (stream.width, stream.height), stream.pix_fmt = act.size, "yuv420p"
        for k in range(act.frames):
            picture = np.full((act.size[1], act.size[0], 3), 10 * (k % 20), np.uint8)
            muxer.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            time.sleep(1 / 30)
        time.sleep(act.silent_s)


def serve(listener: socket.socket, acts: tuple[Act, ...]) -> None:
    for act in acts:
        with suppress(OSError, av.FFmpegError):  # a camera that has seen enough, or the end of the test
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as requests:
                answer(connection, requests, act)


def answer(connection: socket.socket, requests, act: Act) -> None:
    verb = ""
    while verb != "PLAY" and (line := requests.readline()):
        verb = line.split()[0].decode()
        headers = dict(line.decode().strip().split(": ", 1) for line in iter(requests.readline, b"\r\n"))
        status, rest = "200 OK", ANSWERS[verb]
        if verb == "DESCRIBE" and not act.lets_in(headers.get("Authorization", "")):
            status, rest = "401 Unauthorized", 'WWW-Authenticate: Basic realm="camera"\r\n\r\n'
        connection.sendall(f"RTSP/1.0 {status}\r\nCSeq: {headers['CSeq']}\r\n{rest}".encode())
    if verb == "PLAY":
        play(connection, act)


@pytest.fixture
def serving() -> Iterator[Callable[..., str]]:
    """Start a server that does these acts, one connection after the other; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        servers = []

        def start(*acts: Act) -> str:
            servers.append(threading.Thread(target=serve, args=(listener, acts), daemon=True))
            servers[-1].start()
            return f"rtsp://user:secret@127.0.0.1:{listener.getsockname()[1]}/clip"

        yield start


def test_a_stream_gives_frames_and_says_when_it_ends(serving, which: Callable[[Frame], int]) -> None:
    camera = Rtsp(serving(Act(60)))
    assert camera.live
    camera.open()
    numbers, waits = [], []
    for _ in range(40):
        numbers.append(which(camera.read()))
        waits.append(camera.waited_ms)
    assert numbers == [(numbers[0] + k) % 20 for k in range(40)]
    # Opening looks at some frames; those are there at once, and the others come when they come.
    assert min(waits) < 5 and 15 < max(waits) < 500, waits
    with pytest.raises(DeviceTrouble, match="RL-CAMERA-003") as caught:
        while camera.read() is not None:
            pass
    assert "secret" not in str(caught.value)
    camera.close()
    assert camera.read() is None


def test_a_stream_that_breaks_off_is_opened_again_also_with_pictures_of_another_size(serving, caplog) -> None:
    camera = open_camera(serving(Act(40), Act(200, size=(96, 64))))
    camera.open()
    with closing(camera):
        assert camera.read().shape == (48, 64, 3)
        while (frame := camera.read()).shape == (48, 64, 3):
            pass
        assert frame.shape == (64, 96, 3)
        assert (camera.lost, camera.trouble) == (1, None)
    assert "gives no more frames" in caplog.text and "is back after" in caplog.text
    assert "secret" not in caplog.text


def test_a_stream_that_freezes_is_noticed_and_opened_again(serving, until) -> None:
    camera = open_camera(serving(Act(40, silent_s=8), Act(200)))
    camera.open()
    frames: list[float] = []

    def read() -> None:
        while camera.read() is not None:
            frames.append(time.monotonic())

    reader = threading.Thread(target=read)
    reader.start()
    try:
        until(lambda: camera.trouble is not None)
        noticed_s = time.monotonic() - frames[-1]
        assert noticed_s <= 10, f"frozen for {noticed_s:.1f} s before it was noticed"
        until(lambda: camera.trouble is None)
        assert camera.lost == 1
    finally:
        camera.close()
        reader.join()


def test_a_wrong_password_is_told_at_once_and_waited_out_where_nobody_looks(serving) -> None:
    refused = serving(Act(refuse=True), Act(refuse=True), Act(100))
    with pytest.raises(DeviceTrouble, match=r"RL-CAMERA-001.*nauthorized") as caught:
        open_camera(refused).open()
    assert "secret" not in str(caught.value)

    camera = open_camera(refused, patient=True)
    camera.open()
    with closing(camera):
        assert "nauthorized" in camera.trouble
        assert camera.read() is not None
        assert camera.trouble is None


def test_a_password_comes_from_its_file_whatever_signs_it_holds(serving, tmp_path) -> None:
    file, password = tmp_path / "password", "p@ss:w/rd %41#"
    address = serving(Act(refuse=True), Act(60, password=password)).replace(":secret", "")
    camera = open_camera(address, patient=True, password_file=file)
    camera.open()
    with closing(camera):
        assert str(file) in camera.trouble
        file.write_text(password + "\n")
        assert camera.read() is not None
    assert password not in camera.describe()
