"""A named pipe that another program writes a stream into, as the camera service of a DeepLens does."""

import errno
import os
import select
from pathlib import Path
from threading import Event, Lock
from time import monotonic

from relens.device.camera.libav import BROKEN, Video, reason
from relens.errors import DeviceTrouble
from relens.vision import Frame

SILENT_S = 5.0
FORMATS = {".mjpeg": "mjpeg", ".mjpg": "mjpeg", ".h264": "h264", ".264": "h264", ".h265": "hevc", ".hevc": "hevc"}
"""Bare streams, by what the pipe's name ends with; every other one is recognized by its first bytes."""

LEAST_BYTES = "32"
"""A stream of a known format is not looked at before its first frame is given: it may be slow in coming."""


class Fifo:
    """Takes pictures as they are written; a writer that has gone is waited for by opening it again.

    Args:
        path: a named pipe; `/opt/awscam/out/ch2_out.mjpeg` and `ch1_out.h264` on a DeepLens.
        silent_s: a writer may write nothing for so long.
    """

    live = True
    trouble = None
    lost = 0

    def __init__(self, path: Path, silent_s: float = SILENT_S) -> None:
        self.path, self.silent_s = path, silent_s
        self.waited_ms = 0.0
        self._pipe: _Pipe | None = None
        self._video: Video | None = None
        self._lock = Lock()

    def open(self) -> None:
        """See `Camera.open`."""
        kind = FORMATS.get(self.path.suffix.lower())
        options = {"probesize": LEAST_BYTES, "analyzeduration": "0"} if kind else {}
        try:
            self._pipe = _Pipe(self.path, self.silent_s)
            self._video = Video(self._pipe, format=kind, options=options)
        except BROKEN as trouble:
            self.close()
            raise DeviceTrouble(
                "RL-CAMERA-001",
                f"{self.path} cannot be opened: {reason(trouble)}",
                hint=f"see whether anybody writes into it: fuser -v {self.path}",
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
        if timed is None and self._pipe is not None and not self._pipe.closing.is_set():
            raise self._ended("whoever wrote into it has gone")
        return timed.frame if timed else None

    def close(self) -> None:
        """See `Camera.close`."""
        if self._pipe is not None:
            self._pipe.closing.set()
        with self._lock:
            if self._video is not None:
                self._video.close()
                self._video = None
            if self._pipe is not None:
                self._pipe.close()
                self._pipe = None

    def describe(self) -> str:
        """See `Camera.describe`."""
        return str(self.path)

    def _ended(self, reason: str) -> DeviceTrouble:
        return DeviceTrouble(
            "RL-CAMERA-003",
            f"{self.path} gives no more frames: {reason}",
            hint="start the program that writes into it; the pipe is opened again by itself",
        )


class _Pipe:
    """The reading end, as a file that libav reads: its end comes when the writer goes, or with `closing`."""

    def __init__(self, path: Path, silent_s: float) -> None:
        self.closing = Event()
        self._silent_s = silent_s
        self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # does not wait for a writer
        self._readable = select.poll()
        self._readable.register(self._descriptor, select.POLLIN)

    def read(self, most: int) -> bytes:
        """What has been written, at least one byte and at most so many.

        Raises:
            TimeoutError: nothing for too long.
        """
        end_s = monotonic() + self._silent_s
        while not self.closing.is_set():
            if self._readable.poll(100):
                return os.read(self._descriptor, most)
            if monotonic() > end_s:
                raise TimeoutError(errno.ETIMEDOUT, f"nothing was written for {self._silent_s:g} s")
        return b""

    def close(self) -> None:
        """Let the writer go."""
        os.close(self._descriptor)
