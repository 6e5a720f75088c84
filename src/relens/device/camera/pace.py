"""Waiting for a frame's moment."""

from threading import Event
from time import monotonic


class Pace:
    """A wait that another thread can end."""

    def __init__(self) -> None:
        self._ended = Event()

    def wait_until(self, moment_s: float) -> bool:
        """Wait until the monotonic clock shows `moment_s`; False when `end` came first."""
        return not self._ended.wait(max(0.0, moment_s - monotonic()))

    def end(self) -> None:
        """End this wait and all later ones."""
        self._ended.set()
