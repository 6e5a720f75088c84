"""A network camera (RTSP)."""

from pathlib import Path
from threading import Lock
from urllib.parse import quote, urlsplit

from relens.device.camera.libav import BROKEN, Video, reason
from relens.device.credentials import read_secret
from relens.errors import DeviceTrouble
from relens.vision import Frame

OPEN_TIMEOUT_S, READ_TIMEOUT_S = 5.0, 3.0


class Rtsp:
    """An `rtsp://` stream over TCP.

    Args:
        address: of the stream, with a user and a password where it asks for them.
        password_file: holds the password of the address's user; read at each `open`, so that it can be changed.
    """

    live = True
    trouble = None
    lost = 0

    def __init__(self, address: str, password_file: Path | None = None) -> None:
        self.address, self.password_file = address, password_file
        self.waited_ms = 0.0
        self._video: Video | None = None
        self._lock = Lock()

    def open(self) -> None:
        """See `Camera.open`."""
        timeout = (OPEN_TIMEOUT_S, READ_TIMEOUT_S)
        try:
            self._video = Video(self._full_address(), options={"rtsp_transport": "tcp"}, timeout=timeout)
        except BROKEN as trouble:
            raise DeviceTrouble(
                "RL-CAMERA-001",
                f"{self.describe()} cannot be opened: {reason(trouble)}",
                hint="ffprobe ADDRESS, from this machine, with the same user and password",
            ) from None

    def read(self) -> Frame | None:
        """See `Camera.read`."""
        with self._lock:
            if self._video is None:
                return None
            try:
                timed = self._video.read()
            except BROKEN as trouble:
                raise self._ended(reason(trouble)) from None
            self.waited_ms = self._video.waited_s * 1e3
        if timed is None:
            raise self._ended("the stream ended")
        return timed.frame

    def close(self) -> None:
        """See `Camera.close`."""
        with self._lock:
            if self._video is not None:
                self._video.close()
                self._video = None

    def describe(self) -> str:
        """See `Camera.describe`."""
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"

    def _full_address(self) -> str:
        if self.password_file is None:
            return self.address
        try:
            password = read_secret(self.password_file)
        except (OSError, UnicodeDecodeError) as trouble:
            raise DeviceTrouble(
                "RL-CAMERA-001",
                f"{self.describe()} cannot be opened: no password in {self.password_file}: {trouble}",
                hint=f"ls -l {self.password_file}",
            ) from None
        parts = urlsplit(self.address)
        user, _, host = parts.netloc.rpartition("@")
        return parts._replace(netloc=f"{user}:{quote(password, safe='')}@{host}").geturl()

    def _ended(self, reason: str) -> DeviceTrouble:
        return DeviceTrouble(
            "RL-CAMERA-003",
            f"{self.describe()} gives no more frames: {reason}",
            hint="check the camera and the network; it is opened again by itself",
        )
