"""The stream of pictures that a function writes into `/tmp/results.mjpeg`."""

import contextlib
import os
import select
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from time import monotonic

BEGIN, END = b"\xff\xd8", b"\xff\xd9"
PICTURES_PER_S = 15.0
LOOK_EVERY_S = 0.1
CHUNK = 1 << 16
LARGEST_BYTES = 16 << 20


class Pictures:
    """Reads named pipes that end in `results.mjpeg`, picture by picture, and no faster than they are shown.

    Functions write the same picture again and again, as fast as the pipe takes it. A pipe that is read at a pace lets
    them wait in the kernel, and costs no core.

    Args:
        folder: that the function sees as `/tmp`.
        show: called with each JPEG, in a thread of this object's own.
    """

    def __init__(self, folder: Path, show: Callable[[bytes], None]) -> None:
        self.folder, self.show, self.count = folder, show, 0
        self._closing = Event()
        self._thread = Thread(target=self._run, name="relens-results", daemon=True)

    def __enter__(self) -> "Pictures":
        self._thread.start()
        return self

    def __exit__(self, *trouble: object) -> None:
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(LOOK_EVERY_S):
            for path in self.folder.glob("*results.mjpeg"):
                with contextlib.suppress(OSError):  # it was taken away again
                    self._read(path)

    def _read(self, path: Path) -> None:
        if not stat.S_ISFIFO(path.lstat().st_mode):
            return
        # Open for both: so the pipe has no end while its writers come and go. The folder is the function's, which may
        # put anything in the pipe's place meanwhile.
        pipe = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if not stat.S_ISFIFO(os.fstat(pipe).st_mode):
                return
            splitter, due_s = Splitter(), monotonic()
            while not self._closing.is_set():
                if not select.select([pipe], [], [], LOOK_EVERY_S)[0]:
                    if not _is_same(path, pipe):
                        return  # it was made anew
                    continue
                for jpeg in splitter.take(os.read(pipe, CHUNK)):
                    self.count += 1
                    self.show(jpeg)
                    due_s = max(due_s, monotonic() - 1 / PICTURES_PER_S) + 1 / PICTURES_PER_S
                    self._closing.wait(max(0.0, due_s - monotonic()))
        finally:
            os.close(pipe)


def _is_same(path: Path, pipe: int) -> bool:
    try:
        return path.lstat().st_ino == os.fstat(pipe).st_ino
    except OSError:
        return False


class Splitter:
    """Bytes to whole JPEGs."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def take(self, content: bytes) -> Iterator[bytes]:
        """The pictures that are whole with these bytes; what is no JPEG is thrown away."""
        seen = max(0, len(self._rest) - 1)
        self._rest += content
        while True:
            begin = self._rest.find(BEGIN)
            if begin < 0:
                del self._rest[:-1]
                return
            if begin:
                del self._rest[:begin]
                seen = 0
            # Markers do not occur within entropy-coded data; a thumbnail's own end is passed over by the decoder.
            end = self._rest.find(END, max(2, seen))
            if end < 0:
                if len(self._rest) > LARGEST_BYTES:
                    self._rest.clear()
                return
            yield bytes(self._rest[: end + 2])
            del self._rest[: end + 2]
            seen = 0
