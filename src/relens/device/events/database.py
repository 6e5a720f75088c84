"""The file behind the event log: SQLite, opened by several processes at once, replaced when it is damaged.

    FOLDER/
      0.events     and SQLite's 0.events-wal and 0.events-shm: the log
      lock         held while a file is opened, made or set aside

A damaged `0.events` is renamed to `0.damaged`, and `1.events` begins: under a name of its own, because a process that
still has the old one open removes what is left of it by name. Numbers in file N begin at N billion, so that none is
used twice even though nobody can tell how far the damaged file had come.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TypeVar

from relens.files import sync_folder

T = TypeVar("T")

VERSION = 1
NUMBERS = 10**9
"""How many numbers a file has of its own."""

PAGE_BYTES = 4096
WAL_BYTES = 1 << 20
"""What the write-ahead log is cut to; it holds one change more than that."""

BUSY_S = 2.0
"""How long to wait for another process that is writing."""

TABLES = """
PRAGMA page_size = 4096;
PRAGMA auto_vacuum = INCREMENTAL;
CREATE TABLE events (number INTEGER PRIMARY KEY AUTOINCREMENT, at_s REAL NOT NULL, facts TEXT NOT NULL, jpeg BLOB);
CREATE TABLE cursors (
  outlet TEXT PRIMARY KEY, begun INTEGER NOT NULL, reached INTEGER NOT NULL, handled INTEGER NOT NULL
);
CREATE TABLE refused (events INTEGER NOT NULL);
INSERT INTO refused VALUES (0);
"""


class Database:
    """One process's connection to the log, opened at its first use.

    Args:
        folder: made when it does not exist.
        most_bytes: the file grows no further.
        told: told in a line why a file was set aside.
    """

    def __init__(self, folder: Path, most_bytes: int, told: Callable[[str], None]) -> None:
        self.folder, self.most_bytes, self.told = folder, most_bytes, told
        self._path = folder / "none"
        self._connection: sqlite3.Connection | None = None
        self._lock = RLock()

    def do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do it; where the file turns out to be damaged, do it again in a new one.

        Raises:
            sqlite3.Error, OSError: the disk is full, cannot be read or written, or is in use for too long.
        """
        with self._lock:
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as trouble:
                if not _is_damage(trouble):
                    raise
                self._set_aside(str(trouble))
                return work(self._opened())

    @contextmanager
    def changing(self, *, lasting: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing.

        lasting: through a power cut. Otherwise it may be undone by one, but never out of order.
        """
        connection = self._opened()
        connection.execute(f"PRAGMA synchronous = {'FULL' if lasting else 'NORMAL'}")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            yield connection

    def close(self) -> None:
        """May be used again."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _opened(self) -> sqlite3.Connection:
        # Another process may have set the file aside: then its name is gone.
        if self._connection is None or not self._path.exists():
            self.close()
            with self._alone():
                self._open()
        assert self._connection is not None
        return self._connection

    def _open(self) -> None:
        newest = max(self._files("events"), default=-1)
        if newest <= max(self._files("damaged"), default=-1):
            newest = self._make()
        path = self.folder / f"{newest}.events"
        try:
            self._connection = _connect(path, self.most_bytes)
        except sqlite3.DatabaseError as trouble:
            if not _is_damage(trouble):
                raise
            self._rename(path, str(trouble))
            path = self.folder / f"{self._make()}.events"
            self._connection = _connect(path, self.most_bytes)
        self._path = path

    def _set_aside(self, why: str) -> None:
        self.close()
        with self._alone():
            if self._path.exists():  # otherwise another process was first
                self._rename(self._path, why)

    def _rename(self, path: Path, why: str) -> None:
        """Keep what is damaged, for whoever can make something of it; only the newest, for it takes room."""
        for old in self.folder.glob("*.damaged*"):
            old.unlink(missing_ok=True)
        for end in ("-shm", "-wal", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).rename(path.with_name(path.stem + ".damaged" + end))
        sync_folder(self.folder)
        self.told(f"{path}: {why}; set aside as {path.stem}.damaged, and a new log begun")

    def _make(self) -> int:
        """A file is there with everything in it, or not at all."""
        number = max([*self._files("events"), *self._files("damaged"), -1]) + 1
        path = self.folder / f"{number}.events"
        temporary = path.with_suffix(".new")
        temporary.unlink(missing_ok=True)
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL, 0o600))  # these are pictures of people
        connection = sqlite3.connect(temporary, isolation_level=None)
        try:
            connection.executescript(TABLES)
            connection.execute("INSERT INTO sqlite_sequence VALUES ('events', ?)", (number * NUMBERS,))
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        temporary.replace(path)
        sync_folder(self.folder)
        return number

    def _files(self, kind: str) -> list[int]:
        return [int(path.stem) for path in self.folder.glob(f"*.{kind}") if path.stem.isdecimal()]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _connect(path: Path, most_bytes: int) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    with ExitStack() as unless_it_opens:
        unless_it_opens.callback(connection.close)
        connection.text_factory = lambda text: text.decode(errors="replace")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            raise sqlite3.DatabaseError(f"version {version}, and this relens reads {VERSION}")
        for table in ("events", "cursors", "refused", "sqlite_sequence"):
            connection.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()
        connection.execute(f"PRAGMA max_page_count = {most_bytes // PAGE_BYTES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_BYTES // PAGE_BYTES}")
        connection.execute("PRAGMA cache_size = -1024")  # KiB
        unless_it_opens.pop_all()
    return connection


def _is_damage(trouble: sqlite3.DatabaseError) -> bool:
    # What SQLite cannot read as its own comes as the bare class, what the disk refuses as OperationalError.
    return type(trouble) is sqlite3.DatabaseError or "no such table" in str(trouble)
