"""A camera of this machine (V4L2)."""

from threading import Lock
from time import perf_counter

import cv2
import numpy as np

from relens.errors import DeviceTrouble
from relens.vision import Frame


class V4L2:
    """`/dev/videoN`, through OpenCV."""

    live = True
    trouble = None
    lost = 0

    def __init__(self, index: int) -> None:
        self.index = index
        self.waited_ms = 0.0
        self._capture: cv2.VideoCapture | None = None
        self._lock = Lock()

    def open(self) -> None:
        """See `Camera.open`."""
        capture = cv2.VideoCapture(self.index, cv2.CAP_V4L2)
        if not capture.isOpened():
            raise DeviceTrouble(
                "RL-CAMERA-001",
                f"{self.describe()} cannot be opened: there is none, or another program has it",
                hint="ls /dev/video* shows the cameras of this machine",
            )
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # an older frame is worth nothing
        self._capture = capture

    def read(self) -> Frame | None:
        """See `Camera.read`."""
        with self._lock:
            if self._capture is None:
                return None
            before = perf_counter()
            came = self._capture.grab()
            self.waited_ms = (perf_counter() - before) * 1e3
            good, frame = self._capture.retrieve() if came else (False, None)
        if not good:
            raise DeviceTrouble(
                "RL-CAMERA-003", f"{self.describe()} gives no more frames", hint="check its cable: ls /dev/video*"
            )
        return np.asarray(frame, np.uint8)

    def close(self) -> None:
        """See `Camera.close`."""
        with self._lock:
            if self._capture is not None:
                self._capture.release()
                self._capture = None

    def describe(self) -> str:
        """See `Camera.describe`."""
        return f"/dev/video{self.index}"
