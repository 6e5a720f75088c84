"""Decoded pictures of a file or stream, through libav."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from relens.vision import Frame

BROKEN = (av.FFmpegError, OSError, IndexError)
"""What libav raises for a file or stream it cannot read."""

# Releases before 17 convert in the caller's thread, and have no such option.
ONE_THREAD = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}


@dataclass(frozen=True)
class TimedFrame:
    """A frame (H, W, 3) uint8 BGR and when to show it, in seconds since the first."""

    frame: Frame
    time_s: float


class Video:
    """An opened video. Not safe for use from two threads.

    Args:
        source: a path, an address, or a file with `read`.
        options: what `av.open` takes.

    Raises:
        BROKEN: it cannot be opened, or has no pictures; so does `read` when it breaks off.
    """

    def __init__(self, source: Any, **options: Any) -> None:
        self._container = av.open(source, **options)
        self._stream = self._container.streams.video[0]
        # One converter for all frames: `frame.to_ndarray(format=...)` builds one with its own threads each time,
        # and stalls for up to 4 ms.
        self._converter = VideoReformatter()
        self._pictures = self._decoded()
        self._first_s: float | None = None
        self.frames = 0
        self.waited_s = 0.0

    @property
    def frame_s(self) -> float:
        """Seconds from one frame to the next."""
        return 1 / float(self._stream.average_rate or 30)

    def read(self) -> TimedFrame | None:
        """The next frame, None at the end. `waited_s` then says how long the data took to come."""
        self.waited_s = 0.0
        picture = next(self._pictures, None)
        if picture is None:
            return None
        time_s = picture.time if picture.time is not None else self.frames * self.frame_s
        self._first_s = time_s if self._first_s is None else self._first_s
        self.frames += 1
        frame = self._converter.reformat(picture, format="bgr24", **ONE_THREAD).to_ndarray()
        return TimedFrame(np.asarray(frame, np.uint8), time_s - self._first_s)

    def close(self) -> None:
        """Release the file or stream."""
        self._container.close()

    def _decoded(self) -> Iterator[Any]:
        packets = self._container.demux(self._stream)
        while True:
            began = perf_counter()
            packet = next(packets, None)
            self.waited_s += perf_counter() - began
            if packet is None:
                return
            yield from packet.decode()


def reason(trouble: Exception) -> str:
    """Why, without the address: libav's full message quotes it, and the password in it."""
    if isinstance(trouble, IndexError):
        return "no video in it"
    if isinstance(trouble, av.error.ExitError):  # libav's words for it are "Immediate exit requested"
        return "nothing came in time"
    return getattr(trouble, "strerror", None) or type(trouble).__name__
