"""A file of JSON lines."""

import json
import os
from collections.abc import Iterator, Sequence

from relens.device.events.log import Entry
from relens.device.outlets.outlet import Receipt, payload
from relens.errors import DeviceTrouble
from relens.files import sync_folder
from relens.spec.camera import LinesSettings


class Lines:
    """An `Outlet`: every event is on the disk, as one line, when it is receipted. Begun anew when rotated away."""

    name = "lines"

    def __init__(self, settings: LinesSettings, camera: str) -> None:
        self.path, self.camera = settings.path, camera
        self._file: int | None = None

    def open(self) -> None:
        """Open the file; it is made when it does not exist, its folder is not."""
        try:
            new = not self.path.exists()
            # Read, too: for the end of what another run, or a power cut, left.
            self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            if new:
                sync_folder(self.path.parent)
        except OSError as trouble:
            raise self._trouble(trouble) from None

    def send(self, entries: Sequence[Entry]) -> Iterator[Receipt]:
        """Append all, sync once."""
        try:
            if self._rotated():
                self.close()
                self.open()
            if entries and self._file is not None:
                self._write(self._file, entries)
        except OSError as trouble:
            raise self._trouble(trouble) from None
        yield from (Receipt(entry.number) for entry in entries)

    def _write(self, file: int, entries: Sequence[Entry]) -> None:
        lines = [json.dumps(payload(entry, self.camera, picture=False)) + "\n" for entry in entries]
        rest = memoryview(b"".join([_line_end(file), *(line.encode() for line in lines)]))
        while rest:
            rest = rest[os.write(file, rest) :]
        os.fsync(file)

    def close(self) -> None:
        """Nothing is left to be written."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _rotated(self) -> bool:
        try:
            return self._file is None or not os.path.samestat(os.fstat(self._file), self.path.stat())
        except FileNotFoundError:
            return True

    def _trouble(self, trouble: OSError) -> DeviceTrouble:
        return DeviceTrouble(
            "RL-OUTLET-001",
            f"{self.path} cannot be written: {trouble.strerror}",
            hint=f"df -h {self.path.parent}; ls -ld {self.path.parent}",
        )


def _line_end(file: int) -> bytes:
    """What is missing from a last line that was cut off."""
    size = os.fstat(file).st_size
    return b"\n" if size and os.pread(file, 1, size - 1) != b"\n" else b""
