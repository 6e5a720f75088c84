"""What happened on a camera, one JSON line each: for people and fleets; nothing is decided by it."""

import json
import os
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

MOST_BYTES = 1 << 20


class Journal:
    """An append-only file that keeps its newest half when it grows beyond 1 MiB.

    A full disk loses lines, never more: running a camera must not hang on its diary.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def note(self, event: str, **facts: Any) -> None:
        """Append a line, with the time in UTC."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = json.dumps({"at": at, "event": event, **facts}).encode() + b"\n"
        try:
            self._shorten()
            with self.path.open("ab") as file:
                # In one write: another process may append, too. The line before may have been cut by a power cut.
                os.write(file.fileno(), line if self._ends_whole() else b"\n" + line)
                os.fsync(file.fileno())
        except OSError:
            pass

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """The lines, oldest first; what a power cut left half written is passed over."""
        return self._facts(self._lines())

    def newest_first(self) -> Iterator[dict[str, Any]]:
        """The same from the end: whoever looks for the last of something need not read what was before it."""
        return self._facts(reversed(self._lines()))

    def _lines(self) -> list[bytes]:
        try:
            return self.path.read_bytes().splitlines()
        except OSError:
            return []

    def _facts(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for line in lines:
            try:
                fact = json.loads(line)
            except ValueError:
                continue
            if isinstance(fact, dict):
                yield fact

    def _ends_whole(self) -> bool:
        try:
            with self.path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read(1) == b"\n"
        except OSError:
            return True  # empty

    def _shorten(self) -> None:
        try:
            if self.path.stat().st_size <= MOST_BYTES:
                return
        except FileNotFoundError:
            return
        kept = self.path.read_bytes()[-MOST_BYTES // 2 :]
        temporary = self.path.with_name(f".{self.path.name}.new")
        temporary.write_bytes(kept.partition(b"\n")[2])
        temporary.replace(self.path)
