"""A video file as a camera."""

from pathlib import Path
from threading import Lock
from time import monotonic

from relens.device.camera.libav import BROKEN, TimedFrame, Video, reason
from relens.device.camera.pace import Pace
from relens.errors import DeviceTrouble
from relens.vision import Frame


class Clip:
    """Plays a video at its own pace, or as fast as frames are taken; from the beginning again with `loop`."""

    trouble = None
    lost = 0

    def __init__(self, path: Path, *, real_time: bool, loop: bool) -> None:
        self.path = path
        self.live = real_time
        self.loop = loop
        self.waited_ms = 0.0
        self._video: Video | None = None
        self._pace = Pace()
        self._lock = Lock()
        self._began_s = self._shown_s = 0.0

    def open(self) -> None:
        """See `Camera.open`."""
        self._pace = Pace()
        self._rewind()

    def read(self) -> Frame | None:
        """See `Camera.read`."""
        with self._lock:
            timed = self._next()
        if timed is None:
            return None
        if self.live:
            before = monotonic()
            self._shown_s = self._began_s + timed.time_s
            if not self._pace.wait_until(self._shown_s):
                return None
            self.waited_ms += (monotonic() - before) * 1e3
        return timed.frame

    def close(self) -> None:
        """See `Camera.close`."""
        self._pace.end()
        with self._lock:
            if self._video is not None:
                self._video.close()
                self._video = None

    def describe(self) -> str:
        """See `Camera.describe`."""
        pace = "in real time" if self.live else "as fast as taken"
        return f"{self.path.name}, {pace}{', in a loop' if self.loop else ''}"

    def _next(self) -> TimedFrame | None:
        if self._video is None:
            return None
        try:
            timed = self._video.read()
            if timed is None and self.loop:
                self._rewind()
                timed = self._video.read()
        except BROKEN as trouble:
            raise DeviceTrouble(
                "RL-CAMERA-003", f"{self.path} broke off: {reason(trouble)}", hint="replace the file"
            ) from None
        if self._video.frames == 0:
            raise DeviceTrouble("RL-CAMERA-002", f"{self.path} holds no frames", hint="replace the file")
        self.waited_ms = self._video.waited_s * 1e3
        return timed

    def _rewind(self) -> None:
        if self._video is None:
            self._began_s = monotonic()
        else:
            self._began_s = self._shown_s + self._video.frame_s
            self._video.close()
        try:
            self._video = Video(str(self.path))
        except BROKEN as trouble:
            raise DeviceTrouble(
                "RL-CAMERA-002",
                f"{self.path} cannot be read as a video: {reason(trouble)}",
                hint=f"ffprobe {self.path}",
            ) from None
