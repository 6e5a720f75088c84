"""Where frames come from: a clip, a folder of pictures, a V4L2 camera, an RTSP stream. One file a kind."""

from pathlib import Path
from typing import Protocol

from relens.device.camera.clip import Clip
from relens.device.camera.folder import Folder
from relens.device.camera.rtsp import Rtsp
from relens.device.camera.v4l2 import V4L2
from relens.errors import DeviceTrouble
from relens.vision import Frame
from relens.vision.frames import PICTURE_SUFFIXES


class Camera(Protocol):
    """A source of frames.

    live: frames come at their own pace, so one that nobody takes is lost; else each waits to be taken.
    waited_ms: how much of the last `read` went by waiting for the frame's moment.
    """

    live: bool
    waited_ms: float

    def open(self) -> None:
        """Get ready to read.

        Raises:
            DeviceTrouble: RL-CAMERA-001 or -002.
        """
        ...

    def read(self) -> Frame | None:
        """The next frame, (H, W, 3) uint8 BGR, the caller's to keep; None after the last, or when closed.

        Raises:
            DeviceTrouble: RL-CAMERA-003 when the camera gives no more.
        """
        ...

    def close(self) -> None:
        """Release it. Safe from any thread; ends a `read` that waits for its frame's moment."""
        ...

    def describe(self) -> str:
        """What it is, in one line, without passwords."""
        ...


def open_camera(text: str, real_time: bool = True, loop: bool = True) -> Camera:
    """Choose a camera by what a user types; the loop opens it.

    Args:
        text: `0` or `/dev/video0` for a V4L2 camera, an `rtsp://` address, a video file, a picture, or a folder of
            pictures.
        real_time: play files at their own pace; else as fast as frames are taken, without losing one.
        loop: begin a file or folder again at its end.

    Raises:
        DeviceTrouble: RL-CAMERA-002 when there is no such file or folder.
        BadData: RL-DATA-001 when a folder holds no pictures.
    """
    index = text.removeprefix("/dev/video")
    if index.isdecimal():
        return V4L2(int(index))
    if text.startswith(("rtsp://", "rtsps://")):
        return Rtsp(text)
    path = Path(text).expanduser()
    if not path.exists():
        raise DeviceTrouble(
            "RL-CAMERA-002",
            f"there is no file or folder {path}",
            hint="name a video, a folder of pictures, an rtsp:// address, or a camera's number (ls /dev/video*)",
        )
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return Folder(path, real_time=real_time, loop=loop)
    return Clip(path, real_time=real_time, loop=loop)
