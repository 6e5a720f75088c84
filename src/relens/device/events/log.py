"""Events on the camera's disk: what an outlet gets later, and what the live page shows."""

import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from relens.device.events.database import PAGE_BYTES, Database
from relens.errors import DeviceTrouble
from relens.spec.camera import KeepSettings

T = TypeVar("T")

LEAST_BYTES = 1_000_000
SPARE_PAGES = 24
"""Kept free below the bound: for one event's way through the tree, and for growing cursors."""

DAY_S = 86400.0
CLOCK_SET_S = 1_704_067_200.0
"""2024: a camera whose clock says less has not been told the time yet."""

SHRINK_PAGES = 256
ROW = "number, facts, jpeg IS NOT NULL"


@dataclass(frozen=True)
class Entry:
    """An event as it stands in the log.

    number: rising forever, never used twice. facts: what was appended. picture: reads its JPEG; None where it has none,
    or where it has been dropped since.
    """

    number: int
    facts: Mapping[str, Any]
    has_picture: bool
    picture: Callable[[], bytes | None] = field(repr=False, compare=False)


class EventLog:
    """A log that several threads and processes append to and read from at once; nothing is opened before it is used.

    The file never grows beyond `max_mb` (of 1e6 bytes; at least 1), pictures and everything in; SQLite's write-ahead
    log beside it takes 1 MiB and the largest event more. A damaged file is set aside, once, and takes as much again.

    Args:
        folder: the log's own.
        keep: how much of it stays.
        told: told in a line when a damaged file is set aside.
    """

    def __init__(self, folder: Path, keep: KeepSettings, told: Callable[[str], None] = lambda line: None) -> None:
        most_bytes = max(LEAST_BYTES, int(keep.max_mb * 1e6))
        self._most_pages = most_bytes // PAGE_BYTES - SPARE_PAGES
        self._max_age_s = keep.max_days * DAY_S
        self._refused = 0
        self._database = Database(folder, most_bytes, told)

    @property
    def begun(self) -> bool:
        """Whether there is one on the disk, or something that keeps us from knowing; reading none begins none."""
        try:
            self._database.folder.stat()
        except FileNotFoundError:
            return False
        except OSError:
            pass
        return True

    def append(self, facts: Mapping[str, Any], jpeg: bytes | None = None) -> int | None:
        """Add an event; it outlasts a power cut from then on.

        The oldest go where there is no room. None: the disk refused it, which is counted; this never raises for what
        is wrong with the disk. It takes as long as the disk needs to sync, and two seconds where that is in use.
        """
        text = json.dumps(facts)
        try:
            return self._database.do(lambda _: self._append(text, jpeg))
        except (sqlite3.Error, OSError):
            self._refused += 1
            return None

    def _append(self, text: str, jpeg: bytes | None) -> int:
        needed = (len(text) + len(jpeg or b"")) // (PAGE_BYTES - 4) + 2
        if needed > self._most_pages // 2:
            raise sqlite3.DataError("one event would take more than half of the log")
        with self._database.changing() as connection:
            self._drop(connection, needed)
            row = (time.time(), text, jpeg)
            number = connection.execute("INSERT INTO events (at_s, facts, jpeg) VALUES (?, ?, ?)", row).lastrowid
            refused = self._refused
            if refused:
                connection.execute("UPDATE refused SET events = events + ?", (refused,))
        self._refused -= refused
        assert number is not None
        return number

    def after(self, number: int, limit: int = 100) -> list[Entry]:
        """The events that follow a number, oldest first, so many at most; what can no longer be read is passed over.

        Raises:
            DeviceTrouble: RL-DEVICE-004 when the disk refuses to be read.
        """
        # json_valid: a page can change on a bad disk without SQLite's noticing.
        return self._entries("number > ? AND json_valid(facts) ORDER BY number LIMIT ?", number, limit)

    def newest(self, limit: int = 100) -> list[Entry]:
        """The last events, newest first; raises as `after`."""
        return self._entries("json_valid(facts) ORDER BY number DESC LIMIT ?", limit)

    def _entries(self, which: str, *values: int) -> list[Entry]:
        if not self.begun:
            return []
        rows = self._ask(f"SELECT {ROW} FROM events WHERE {which}", *values)
        return [Entry(row[0], json.loads(row[1]), bool(row[2]), self._reader(row[0])) for row in rows]

    def _reader(self, number: int) -> Callable[[], bytes | None]:
        return lambda: self.picture(number)

    def count(self) -> int:
        """How many events there are; raises as `after`."""
        return int(self._ask("SELECT count(*) FROM events")[0][0]) if self.begun else 0

    def picture(self, number: int) -> bytes | None:
        """An event's JPEG; None where it has none or is gone. Raises as `after`."""
        rows = self._ask("SELECT jpeg FROM events WHERE number = ?", number) if self.begun else None
        return rows[0][0] if rows else None

    @property
    def refused(self) -> int:
        """How many events the disk did not take, here and, as far as could be written since, in other processes."""
        return int(self._ask("SELECT events FROM refused")[0][0]) + self._refused

    def outlets(self) -> list[str]:
        """Who has ever been told, by name; raises as `after`."""
        return [name for (name,) in self._ask("SELECT outlet FROM cursors ORDER BY outlet")] if self.begun else []

    def reached(self, outlet: str) -> int:
        """The number up to which an outlet is done; an outlet that was never seen begins with the oldest there is.

        Raises:
            DeviceTrouble: RL-DEVICE-004 when the disk refuses.
        """
        known = self._ask("SELECT reached FROM cursors WHERE outlet = ?", outlet)
        return int(known[0][0]) if known else self._careful(lambda _: self._begin(outlet))

    def _begin(self, outlet: str) -> int:
        with self._database.changing() as connection:
            begun = _dropped(connection)
            connection.execute("INSERT OR IGNORE INTO cursors VALUES (?, ?, ?, 0)", (outlet, begun, begun))
        return begun

    def advance(self, outlet: str, number: int, handled: int = 1) -> None:
        """Note that an outlet is done with so many more events, up to a number; what it passed otherwise is lost to it.

        A power cut may undo it: the outlet gets them once more then. Raises as `reached`.
        """
        self._careful(lambda _: self._advance(outlet, number, handled))

    def _advance(self, outlet: str, number: int, handled: int) -> None:
        with self._database.changing(lasting=False) as connection:
            connection.execute(
                "UPDATE cursors SET reached = ?, handled = handled + ? WHERE outlet = ? AND reached < ?",
                (number, handled, outlet, number),
            )

    def waiting(self, outlet: str) -> int:
        """How many events it has yet to get; raises as `reached`."""
        return int(self._ask("SELECT count(*) FROM events WHERE number > ?", self.reached(outlet))[0][0])

    def lost(self, outlet: str) -> int:
        """How many events an outlet never got and never will: dropped before their turn. Raises as `reached`.

        Numbers have no gaps, so these are what it has passed without being done with them.
        """
        self.reached(outlet)
        return self._careful(lambda connection: _lost(connection, outlet))

    def prune(self) -> None:
        """Drop what is too old, and give free room back to the disk: at start and now and then. Raises as `reached`."""
        if self.begun:
            self._careful(lambda _: self._prune())

    def _prune(self) -> None:
        with self._database.changing() as connection:
            if time.time() > CLOCK_SET_S:  # what came while the clock was not set ages from now on
                connection.execute("UPDATE events SET at_s = ? WHERE at_s < ?", (time.time(), CLOCK_SET_S))
            self._drop(connection, 0)
        while True:  # in steps, because each stands in the write-ahead log as a whole
            with self._database.changing() as connection:
                connection.execute(f"PRAGMA incremental_vacuum({SHRINK_PAGES})").fetchall()
                if not _pages(connection, "freelist_count"):
                    return

    def _drop(self, connection: sqlite3.Connection, needed: int) -> None:
        """Drop the oldest: those before the first that is young enough, then until so many pages are free."""
        too_old_s = time.time() - self._max_age_s
        old = "at_s >= ? OR at_s < ?"
        young = connection.execute(
            f"SELECT number FROM events WHERE {old} ORDER BY number LIMIT 1", (too_old_s, CLOCK_SET_S)
        ).fetchone()
        if young is None:
            connection.execute("DELETE FROM events")
        else:
            connection.execute("DELETE FROM events WHERE number < ?", young)
        while _pages(connection, "page_count") - _pages(connection, "freelist_count") + needed > self._most_pages:
            oldest = "SELECT number FROM events ORDER BY number LIMIT 1"
            if not connection.execute(f"DELETE FROM events WHERE number = ({oldest})").rowcount:
                break

    def close(self) -> None:
        """It may be used again, and opens again then."""
        self._database.close()

    def _ask(self, question: str, *values: object) -> list[Any]:
        return self._careful(lambda connection: connection.execute(question, values).fetchall())

    def _careful(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._database.do(work)
        except (sqlite3.Error, OSError) as trouble:
            raise DeviceTrouble(
                "RL-DEVICE-004",
                f"the event log in {self._database.folder}: {trouble}",
                hint=f"df -h {self._database.folder}",
            ) from None


def _pages(connection: sqlite3.Connection, which: str) -> int:
    return int(connection.execute(f"PRAGMA {which}").fetchone()[0])


def _dropped(connection: sqlite3.Connection) -> int:
    """The number of the last event that was dropped."""
    first = connection.execute("SELECT min(number) - 1 FROM events").fetchone()[0]
    return int(connection.execute("SELECT seq FROM sqlite_sequence").fetchone()[0] if first is None else first)


def _lost(connection: sqlite3.Connection, outlet: str) -> int:
    row = connection.execute("SELECT begun, reached, handled FROM cursors WHERE outlet = ?", (outlet,)).fetchone()
    if row is None:
        return 0
    begun, reached, handled = row
    return int(max(reached, _dropped(connection)) - begun - handled)
