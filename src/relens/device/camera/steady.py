"""A live camera that may go away and comes back."""

import logging
from threading import Event
from time import monotonic

from relens.device.camera.camera import Camera
from relens.errors import DeviceTrouble
from relens.vision import Frame

logger = logging.getLogger("relens.device")
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0


class Steady:
    """Opens a live camera again when it gives no more frames, after waits that double.

    Args:
        camera: live.
        patient: whether `open` leaves a camera that is not there yet to `read`, instead of raising.
    """

    live = True

    def __init__(self, camera: Camera, *, patient: bool = False) -> None:
        self.camera, self.patient = camera, patient
        self.trouble: str | None = None
        self.lost = 0
        self._closed = Event()
        self._wait_s = FIRST_WAIT_S
        self._lost_s = 0.0

    @property
    def waited_ms(self) -> float:
        """See `Camera`."""
        return self.camera.waited_ms

    def open(self) -> None:
        """See `Camera.open`."""
        self._closed.clear()
        try:
            self.camera.open()
        except DeviceTrouble as trouble:
            if not self.patient:
                raise
            self._is_lost(trouble)

    def read(self) -> Frame | None:
        """See `Camera.read`; waits for as long as the camera is away."""
        while not self._closed.is_set():
            try:
                if self.trouble is not None:
                    self._open_again()
                frame = self.camera.read()
                if frame is not None:
                    self._is_there()
                return frame
            except DeviceTrouble as trouble:
                self._is_lost(trouble)
        return None

    def close(self) -> None:
        """See `Camera.close`."""
        self._closed.set()
        self.camera.close()

    def describe(self) -> str:
        """See `Camera.describe`."""
        return self.camera.describe()

    def _open_again(self) -> None:
        """After a while; not when `close` comes first."""
        if self._closed.wait(self._wait_s):
            return
        self._wait_s = min(2 * self._wait_s, LONGEST_WAIT_S)
        self.camera.open()
        if self._closed.is_set():  # `close` came before it was open
            self.camera.close()

    def _is_there(self) -> None:
        self._wait_s = FIRST_WAIT_S
        if self.trouble is not None:
            logger.warning("%s is back after %.1f s", self.describe(), monotonic() - self._lost_s)
            self.trouble = None

    def _is_lost(self, trouble: DeviceTrouble) -> None:
        self.camera.close()
        if self.trouble is None:
            self.lost, self._lost_s = self.lost + 1, monotonic()
            logger.warning("%s", trouble.message)
        self.trouble = trouble.message
