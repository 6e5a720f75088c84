"""Where frames come from: a clip, a folder of pictures, V4L2, RTSP, a named pipe. One file a kind."""

from pathlib import Path

from relens.device.camera.camera import Camera as Camera
from relens.device.camera.clip import Clip
from relens.device.camera.fifo import Fifo
from relens.device.camera.folder import Folder
from relens.device.camera.rtsp import Rtsp
from relens.device.camera.steady import Steady
from relens.device.camera.v4l2 import V4L2
from relens.errors import DeviceTrouble
from relens.spec.camera import v4l2_number
from relens.vision.frames import PICTURE_SUFFIXES


def open_camera(
    text: str,
    real_time: bool = True,
    loop: bool = True,
    patient: bool = False,
    password_file: Path | None = None,
) -> Camera:
    """Choose a camera by what a user types; the loop opens it. A live one comes back by itself when it was away.

    Args:
        text: `0` or `/dev/video0` for a V4L2 camera, an `rtsp://` address, a named pipe, a video file, a picture, or a
            folder of pictures.
        real_time: play files at their own pace; else as fast as frames are taken, without losing one.
        loop: begin a file or folder again at its end.
        patient: wait for a live camera that is not there yet.
        password_file: see `Rtsp`.

    Raises:
        DeviceTrouble: RL-CAMERA-002 when there is no such file or folder.
        BadData: RL-DATA-001 when a folder holds no pictures.
    """
    if (number := v4l2_number(text)) is not None:
        return Steady(V4L2(number), patient=patient)
    if text.startswith(("rtsp://", "rtsps://")):
        return Steady(Rtsp(text, password_file), patient=patient)
    path = Path(text).expanduser()
    if not path.exists():
        raise DeviceTrouble(
            "RL-CAMERA-002",
            f"there is no file or folder {path}",
            hint="name a video, a folder of pictures, an rtsp:// address, or a camera's number (ls /dev/video*)",
        )
    if path.is_fifo():
        return Steady(Fifo(path), patient=patient)
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        return Folder(path, real_time=real_time, loop=loop)
    return Clip(path, real_time=real_time, loop=loop)
