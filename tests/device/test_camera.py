import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from relens.device import open_camera
from relens.errors import DeviceTrouble, RelensError
from relens.vision import Frame

pytestmark = pytest.mark.alone

Which = Callable[[Frame], int]


def test_a_clip_gives_all_frames_in_order_and_then_ends(clip: Path, which: Which) -> None:
    camera = open_camera(str(clip), real_time=False, loop=False)
    camera.open()
    frames = [camera.read() for _ in range(20)]
    assert camera.read() is None
    camera.close()
    assert frames[0].shape == (48, 64, 3) and frames[0].dtype == np.uint8
    # Compared after all are read: a frame that shares memory with a later one would show it.
    assert [which(frame) for frame in frames] == list(range(20))


def test_a_clip_begins_again_at_its_end(clip: Path, which: Which) -> None:
    camera = open_camera(str(clip), real_time=False)
    camera.open()
    assert [which(camera.read()) for _ in range(45)] == [*range(20), *range(20), *range(5)]
    camera.close()


def test_a_clip_in_real_time_takes_its_time_also_from_loop_to_loop(clip: Path) -> None:
    camera = open_camera(str(clip))
    assert camera.live
    camera.open()
    camera.read()
    start = time.monotonic()
    for _ in range(30):
        camera.read()
    elapsed = time.monotonic() - start
    camera.close()
    assert 0.97 <= elapsed < 1.5, f"30 frames at 30 a second took {elapsed:.2f} s"


def test_a_clips_pictures_are_what_opencv_reads(shared_clip: Path) -> None:
    camera = open_camera(str(shared_clip), real_time=False)
    camera.open()
    reader = cv2.VideoCapture(str(shared_clip))
    for _ in range(3):
        expected, found = reader.read()[1].astype(int), camera.read().astype(int)
        assert np.abs(expected - found).mean() < 1.5, "mean difference in grey levels"
    camera.close()


def test_closing_ends_a_read_that_waits(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((4, 4, 3), np.uint8))
    camera = open_camera(str(tmp_path))
    camera.open()
    camera.read()
    found: list[Frame | None] = []
    reader = threading.Thread(target=lambda: found.append(camera.read()))
    start = time.monotonic()
    reader.start()
    camera.close()
    reader.join()
    assert found == [None] and time.monotonic() - start < 0.5


def test_a_folder_shows_its_pictures_in_order_and_once_without_loop(tmp_path: Path, which: Which) -> None:
    for k in range(3):
        cv2.imwrite(str(tmp_path / f"{k}.png"), np.full((4, 4, 3), 10 * k, np.uint8))
    camera = open_camera(str(tmp_path), real_time=False, loop=False)
    camera.open()
    assert [which(camera.read()) for _ in range(3)] == [0, 1, 2] and camera.read() is None
    endless = open_camera(str(tmp_path / "2.png"), real_time=False)
    endless.open()
    assert [which(endless.read()) for _ in range(3)] == [2, 2, 2]


def test_cameras_say_what_they_are_without_passwords(clip: Path) -> None:
    assert open_camera("0").describe() == open_camera("/dev/video0").describe() == "/dev/video0"
    assert open_camera("rtsp://user:secret@cam:554/one").describe() == "rtsp://cam:554/one"
    assert open_camera(str(clip)).describe() == "steps.avi, in real time, in a loop"
    assert open_camera(str(clip), real_time=False, loop=False).describe() == "steps.avi, as fast as taken"


def code_of(text: str) -> str:
    with pytest.raises(RelensError) as caught:
        open_camera(text).open()
    assert "secret" not in str(caught.value), caught.value
    return caught.value.code


def test_what_cannot_be_opened_has_a_code(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert code_of("97") == "RL-CAMERA-001"
    assert code_of(f"rtsp://user:secret@127.0.0.1:{port}/one") == "RL-CAMERA-001"
    assert code_of(str(tmp_path / "missing.mp4")) == "RL-CAMERA-002"
    assert code_of(str(tmp_path / "text.mp4")) == "RL-CAMERA-002"
    assert code_of(str(tmp_path / "empty")) == "RL-DATA-001"


def test_a_missing_v4l2_camera_hints_at_the_list_of_cameras() -> None:
    with pytest.raises(DeviceTrouble, match=r"hint: ls /dev/video\*"):
        open_camera("97").open()
