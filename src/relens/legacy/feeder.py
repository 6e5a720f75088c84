"""The camera's newest frame, in memory that parent and child both have."""

import fcntl
import mmap
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from threading import Thread
from time import monotonic, perf_counter

import numpy as np

from relens.device.camera import Camera
from relens.device.slot import Slot
from relens.device.timings import Rate, Timings
from relens.errors import DeviceTrouble, RelensError
from relens.vision import Frame


class Feeder:
    """Reads a camera in a thread of its own. Of a live one only the newest frame counts; another waits for its taker.

    Args:
        camera: opened and closed by `with`.
    """

    def __init__(self, camera: Camera) -> None:
        self.camera, self.captured, self.taken = camera, 0, Rate()
        self.timings = Timings()
        self.failure: RelensError | None = None
        self.memory = -1
        """Its descriptor; there is one within `with`."""
        self._slot: Slot[Frame] = Slot(lossless=not camera.live)
        self._thread = Thread(target=self._capture, name="relens-capture", daemon=True)
        self._pixels: mmap.mmap | None = None

    @property
    def dropped(self) -> int:
        """Frames that a newer one replaced before anybody took them."""
        return self._slot.dropped

    def __enter__(self) -> "Feeder":
        self.camera.open()
        self.memory = _memory()
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self.stop()
        self._thread.join()
        os.close(self.memory)

    def stop(self) -> None:
        """Give no more frames. From any thread or signal handler."""
        self._slot.close()
        self.camera.close()

    def take(self, keep: Callable[[Frame], None]) -> tuple[int, int] | None:
        """Wait for a frame and put it into the memory; its height and width, None when there are no more.

        Args:
            keep: is given the frame as well.
        """
        frame = self._slot.take()
        if frame is None:
            return None
        height, width = frame.shape[:2]
        if self._pixels is None or len(self._pixels) < frame.nbytes:
            os.ftruncate(self.memory, frame.nbytes)
            self._pixels = mmap.mmap(self.memory, frame.nbytes)
        np.frombuffer(self._pixels, np.uint8, frame.nbytes).reshape(frame.shape)[...] = frame
        self.taken.tick()
        keep(frame)
        return height, width

    def _capture(self) -> None:
        with closing(self._slot), closing(self.camera):
            while True:
                began = perf_counter()
                try:
                    frame = self.camera.read()
                except RelensError as trouble:
                    self.failure = trouble
                    return
                except Exception as trouble:  # whatever a driver throws: the function waits for an answer
                    self.failure = DeviceTrouble(
                        "RL-CAMERA-003", f"the camera broke off: {trouble!r}", hint="relens device doctor"
                    )
                    return
                if frame is None:
                    return
                self.timings.add("capture", (perf_counter() - began) * 1e3 - self.camera.waited_ms)
                self.captured += 1
                if not self._slot.put(frame):
                    return

    @property
    def since_taken_s(self) -> float | None:
        """How long ago the last frame was taken."""
        return monotonic() - self.taken.last_s if self.taken.count else None


def _memory() -> int:
    if sys.platform == "linux":
        memory = os.memfd_create("relens-frame", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)  # the child cannot take it away from under us
        return memory
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
