"""Real clips and addresses; of V4L2 what can be had without a camera: wrong files, and the header's own numbers."""

import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from relens.device.doctor import video
from relens.device.doctor.camera import check_camera, check_frame, list_cameras
from relens.device.doctor.video import check_video
from relens.spec import SourceSettings

HEADER = Path("/usr/include/linux/videodev2.h")
PROGRAM = """
#include <stdio.h>
#include <stddef.h>
#include <linux/videodev2.h>
int main(void) {
    printf("%zu %zu %lu %lu %zu %zu %zu %u %u", sizeof(struct v4l2_capability), sizeof(struct v4l2_fmtdesc),
        (unsigned long)VIDIOC_QUERYCAP, (unsigned long)VIDIOC_ENUM_FMT,
        offsetof(struct v4l2_capability, capabilities), offsetof(struct v4l2_capability, device_caps),
        offsetof(struct v4l2_fmtdesc, pixelformat), V4L2_CAP_VIDEO_CAPTURE, V4L2_CAP_DEVICE_CAPS);
}
"""


def test_a_clip_gives_a_frame(clip: Path) -> None:
    (found,) = check_camera(SourceSettings(source=str(clip)))
    assert found.ok is True and "steps.avi" in found.text and "64 x 48" in found.text, found


def test_a_clip_that_is_not_there_or_is_none_says_why(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("not a film")
    for name, why in (("nothing.mp4", "no file or folder"), ("notes.mp4", "notes.mp4")):
        found = check_frame(SourceSettings(source=str(tmp_path / name)))
        assert found.ok is False and why in found.text and found.mend, found


def test_a_network_camera_that_is_not_there_is_told_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = check_frame(SourceSettings(source=f"rtsp://cam:secret@127.0.0.1:{port}/x"))
    assert found.ok is False and "cannot be opened" in found.text, found
    assert "secret" not in str(found)


def test_a_network_camera_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"rtsp://cam:secret@127.0.0.1:{silent.getsockname()[1]}/x"
        found = check_frame(SourceSettings(source=address), seconds=2)
    assert found.ok is False and "nothing came within 2 s" in found.text, found
    assert "secret" not in str(found)


def test_a_password_file_that_is_missing_is_the_reason(tmp_path: Path) -> None:
    settings = SourceSettings(source="rtsp://cam@127.0.0.1:9/x", password_file=tmp_path / "nothing")
    found = check_frame(settings)
    assert found.ok is False and "no password in" in found.text and found.mend.startswith("ls -l"), found


def test_a_camera_of_this_machine_has_to_be_a_device_that_films(tmp_path: Path) -> None:
    (tmp_path / "video1").write_text("")
    (tmp_path / "video2").symlink_to("/dev/null")
    texts = [[found.text for found in check_camera(SourceSettings(source=f"{k}"), devices=tmp_path)] for k in range(3)]
    assert texts == [
        [f"{tmp_path}/video0: No such file or directory"],
        [f"{tmp_path}/video1 is no device"],
        [f"{tmp_path}/video2 is no camera, or it is gone: Inappropriate ioctl for device"],
    ]


def test_a_camera_closed_to_this_user_is_opened_by_its_group(open_place: Path, as_nobody) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    try:
        os.mknod(open_place / "video0", 0o020660, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no device can be made here")
    os.chown(open_place / "video0", 0, 44)
    found = as_nobody(lambda: check_video(open_place / "video0"))
    assert found.ok is False and "closed to this user" in found.text, found
    assert found.mend.startswith(("sudo usermod -aG video ", "sudo usermod -aG 44 ")), found


def test_without_settings_the_cameras_are_listed_and_none_is_judged(tmp_path: Path) -> None:
    assert list_cameras(tmp_path).ok is None and "no video*" in list_cameras(tmp_path).text
    for name in ("video0", "video10", "videos"):
        (tmp_path / name).write_text("")
    found = list_cameras(tmp_path)
    assert found.ok is None and "video0, video10, and 2 can be opened" in found.text, found


@pytest.mark.skipif(shutil.which("cc") is None or not HEADER.exists(), reason="no C compiler, or no kernel headers")
def test_the_questions_to_v4l2_are_those_of_linux_own_header(tmp_path: Path) -> None:
    (tmp_path / "v4l2.c").write_text(PROGRAM)
    subprocess.run(["cc", "-o", tmp_path / "v4l2", tmp_path / "v4l2.c"], check=True)
    told = [int(word) for word in subprocess.check_output([tmp_path / "v4l2"]).split()]

    capability, pixels = bytearray(told[0]), bytearray(told[1])
    capability[told[4] : told[4] + 4], capability[told[5] : told[5] + 4] = b"\1\0\0\0", b"\2\0\0\0"
    pixels[told[6] : told[6] + 4] = b"MJPG"

    assert (video._CAPABILITY.size, video._FORMAT.size) == (told[0], told[1])
    assert (told[2], told[3]) == (video._ASK_CAPABILITY, video._ASK_FORMAT)
    assert video._CAPABILITY.unpack(capability)[4:6] == (1, 2) and video._FORMAT.unpack(pixels)[4] == b"MJPG"
    assert (told[7], told[8]) == (video._CAPTURE, video._OF_THIS_NODE)
