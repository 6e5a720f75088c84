"""A camera that is a named pipe, as on a DeepLens: real streams, written by another thread."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from relens.device import Camera, open_camera
from relens.device.camera.fifo import Fifo
from relens.errors import DeviceTrouble

pytestmark = pytest.mark.alone
Write = Callable[[Path], None]


@pytest.fixture
def writing() -> Iterator[Callable[..., Path]]:
    """Make a pipe with somebody who writes into it; its path."""
    writers: list[threading.Thread] = []

    def start(path: Path, write: Write) -> Path:
        if not path.exists():
            os.mkfifo(path)
        writers.append(threading.Thread(target=write, args=(path,), daemon=True))
        writers[-1].start()
        return path

    yield start
    for writer in writers:
        writer.join(20)
        assert not writer.is_alive()


def jpegs(count: int, *, then_silent_s: float = 0.0, sizes: tuple[tuple[int, int], ...] = ((64, 48),)) -> Write:
    """So many pictures of each size, thirty a second, each as a JPEG: a bare MJPEG stream."""

    def write(path: Path) -> None:
        with suppress(BrokenPipeError), path.open("wb", buffering=0) as pipe:
            for width, height in sizes:
                for k in range(count):
                    picture = np.full((height, width, 3), 10 * (k % 20), np.uint8)
                    pipe.write(cv2.imencode(".jpg", picture)[1].tobytes())
                    time.sleep(1 / 30)
            time.sleep(then_silent_s)

    return write


def h264(path: Path) -> None:
    with suppress(BrokenPipeError, av.FFmpegError), path.open("wb") as pipe, av.open(pipe, "w", format="h264") as muxer:
        stream = muxer.add_stream("libx264", rate=30)
        (stream.width, stream.height), stream.pix_fmt = (320, 240), "yuv420p"
        stream.options = {"tune": "zerolatency", "preset": "ultrafast", "x264-params": "keyint=15"}
        for k in range(120):
            picture = np.full((240, 320, 3), 10 * (k % 20), np.uint8)
            muxer.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
            time.sleep(1 / 30)


def test_pictures_come_as_they_are_written_and_a_new_size_is_followed(writing, tmp_path, which) -> None:
    camera = Fifo(writing(tmp_path / "ch2_out.mjpeg", jpegs(40, sizes=((64, 48), (96, 64)))))
    assert camera.live
    camera.open()
    with closing(camera):
        frames = [camera.read() for _ in range(79)]
        assert frames[0].dtype == np.uint8
        assert {frame.shape for frame in frames} == {(48, 64, 3), (64, 96, 3)}
        numbers = [which(frame) for frame in frames[:30]]
        assert numbers == [(numbers[0] + k) % 20 for k in range(30)]
        with pytest.raises(DeviceTrouble, match=r"RL-CAMERA-003.*has gone"):
            while camera.read() is not None:
                pass


def test_h264_is_recognized_by_the_pipes_name(writing, tmp_path) -> None:
    camera = open_camera(str(writing(tmp_path / "ch1_out.h264", h264)))
    camera.open()
    with closing(camera):
        assert [camera.read().shape for _ in range(20)] == [(240, 320, 3)] * 20


@contextmanager
def watching(camera: Camera) -> Iterator[list[float]]:
    """When each frame came, read in a thread."""
    came: list[float] = []

    def read() -> None:
        while camera.read() is not None:
            came.append(time.monotonic())

    camera.open()
    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield came
    finally:
        camera.close()
        reader.join(10)
        assert not reader.is_alive()


def test_a_writer_that_goes_is_waited_for(writing, tmp_path, until, caplog) -> None:
    camera = open_camera(str(writing(tmp_path / "out.mjpeg", jpegs(30))))
    with watching(camera) as came:
        until(lambda: camera.trouble is not None)
        assert "has gone" in camera.trouble and len(came) == 30
        writing(tmp_path / "out.mjpeg", jpegs(300))
        until(lambda: camera.trouble is None and len(came) > 40)
        assert camera.lost == 1
    assert "is back after" in caplog.text


def test_silence_is_noticed_and_what_comes_after_it_is_taken(writing, tmp_path, until) -> None:
    camera = open_camera(str(writing(tmp_path / "out.mjpeg", jpegs(30, then_silent_s=8))))
    with watching(camera) as came:
        until(lambda: camera.trouble is not None)
        assert 4 < time.monotonic() - came[-1] <= 10
        assert "nothing was written for 5 s" in camera.trouble
        writing(tmp_path / "out.mjpeg", jpegs(300))
        until(lambda: camera.trouble is None)
        assert camera.lost == 1


def test_a_pipe_that_nobody_writes_into_is_told_and_waited_for_by_an_agent(writing, tmp_path) -> None:
    os.mkfifo(path := tmp_path / "out.mjpeg")
    with pytest.raises(DeviceTrouble, match=r"RL-CAMERA-001.*nothing was written(.|\n)*fuser"):
        Fifo(path, silent_s=0.3).open()
    camera = open_camera(str(path), patient=True)
    camera.open()
    with closing(camera):
        assert "nothing was written" in camera.trouble
        writing(path, jpegs(120))
        assert camera.read().shape == (48, 64, 3)


def test_closing_ends_a_read_that_waits(writing, tmp_path) -> None:
    camera = Fifo(writing(tmp_path / "out.mjpeg", jpegs(30, then_silent_s=4)))
    with watching(camera) as came:
        time.sleep(2)
        began = time.monotonic()
    assert time.monotonic() - began < 1 and len(came) == 30
