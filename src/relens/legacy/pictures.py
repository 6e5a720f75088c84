"""The camera as `cv2.VideoCapture`: what the streams of a DeepLens gave to OpenCV."""

from typing import Any

import cv2
import numpy as np

from relens.legacy.link import Link
from relens.vision import Frame


class Capture:
    """Gives the same frames as `awscam.getLastFrame`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._frame: Frame | None = None
        self._open = True

    def isOpened(self) -> bool:  # noqa: N802  OpenCV's names
        """Until it is released."""
        return self._open

    def read(self, image: Any = None) -> tuple[bool, Frame | None]:
        """The newest frame."""
        return self.retrieve() if self.grab() else (False, None)

    def grab(self) -> bool:
        """Take the newest frame."""
        if self._open:
            self._frame = self._link.frame()
        return self._open

    def retrieve(self, image: Any = None, flag: int = 0) -> tuple[bool, Frame | None]:
        """What was taken."""
        return self._frame is not None, self._frame

    def get(self, property_id: int) -> float:
        """Width and height of the frame that was taken last, or of the first; 0 for all else."""
        if self._frame is None:
            self.grab()
        if self._frame is None:
            return 0.0
        sizes = {cv2.CAP_PROP_FRAME_HEIGHT: 0, cv2.CAP_PROP_FRAME_WIDTH: 1}
        return float(np.shape(self._frame)[sizes[property_id]]) if property_id in sizes else 0.0

    def set(self, property_id: int, value: float) -> bool:
        """Nothing can be set."""
        return False

    def release(self) -> None:
        """Give no more."""
        self._open, self._frame = False, None
