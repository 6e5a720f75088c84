"""The RTSP camera against a small server that speaks RTSP and sends real RTP packets over the same connection."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import av
import numpy as np
import pytest

from relens.device import open_camera
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


def play(connection: socket.socket, frames: int) -> None:
    with av.open(Interleaved(connection), "w", format="rtp", options={"packetsize": "1200"}) as muxer:
        stream = muxer.add_stream("mpeg2video", rate=30)
        stream.bit_rate = 2_000_000
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for k in range(frames):
            picture = np.full((48, 64, 3), 10 * (k % 20), np.uint8)
            muxer.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            time.sleep(1 / 30)


def serve(listener: socket.socket, frames: int) -> None:
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as requests:
        verb = ""
        while verb != "PLAY":
            verb = requests.readline().split()[0].decode()
            headers = dict(line.decode().strip().split(": ", 1) for line in iter(requests.readline, b"\r\n"))
            answer = f"RTSP/1.0 200 OK\r\nCSeq: {headers['CSeq']}\r\n{ANSWERS[verb]}"
            connection.sendall(answer.encode())
        play(connection, frames)


@pytest.fixture
def address() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener, 60))
        server.start()
        yield f"rtsp://user:secret@127.0.0.1:{listener.getsockname()[1]}/clip"
        server.join(timeout=10)


def test_a_stream_gives_frames_and_says_when_it_ends(address: str, which: Callable[[Frame], int]) -> None:
    camera = open_camera(address)
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
