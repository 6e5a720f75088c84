"""A folder of pictures as a camera."""

from pathlib import Path
from time import monotonic

from relens.device.camera.pace import Pace
from relens.vision import Frame, frames_from


class Folder:
    """Shows one picture every `interval_s`, or as fast as they are taken; from the first again with `loop`.

    Raises:
        BadData: RL-DATA-001 when it holds no pictures; `read` RL-DATA-002 for one that cannot be read.
    """

    trouble = None
    lost = 0

    def __init__(self, path: Path, *, real_time: bool, loop: bool, interval_s: float = 1.0) -> None:
        self.path = path
        self.live = real_time
        self.loop = loop
        self.interval_s = interval_s
        self.waited_ms = 0.0
        self._pictures = frames_from(path)
        self._pace = Pace()
        self._next = 0
        self._due_s = 0.0
        self._open = False

    def open(self) -> None:
        """See `Camera.open`."""
        self._pace, self._next, self._due_s, self._open = Pace(), 0, monotonic(), True

    def read(self) -> Frame | None:
        """See `Camera.read`."""
        if not self._open or (self._next == len(self._pictures) and not self.loop):
            return None
        frame = self._pictures[self._next % len(self._pictures)]
        self._next = self._next % len(self._pictures) + 1
        before = monotonic()
        if self.live and not self._pace.wait_until(self._due_s):
            return None
        self.waited_ms = (monotonic() - before) * 1e3
        self._due_s = max(self._due_s + self.interval_s, before)
        return frame

    def close(self) -> None:
        """See `Camera.close`."""
        self._open = False
        self._pace.end()

    def describe(self) -> str:
        """See `Camera.describe`."""
        pace = f"one every {self.interval_s:g} s" if self.live else "as fast as taken"
        return f"{self.path.name}, {len(self._pictures)} picture(s), {pace}{', in a loop' if self.loop else ''}"
