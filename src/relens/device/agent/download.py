"""How a camera reads a repository: from a folder, or from a web server that may be slow, far away and cut off.

A bundle that did not come whole stays as far as it came, and the next question goes on there. What an older bundle on
this camera's disk has in common with it is taken from that. Neither is trusted: TUF judges the whole at the end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from time import monotonic, sleep
from urllib.parse import urlsplit
from urllib.request import url2pathname

import urllib3
from tuf.api.exceptions import DownloadHTTPError, SlowRetrievalError
from tuf.ngclient.fetcher import FetcherInterface
from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

from relens.bundle.pieces import Piece, pieces_of

SILENT_S = 20.0
METADATA_S = 60.0
SLOWEST_BYTES_S, WATCH_S = 1000.0, 30.0
CHUNK = 1 << 16
WORTH = 0.25
"""Of a bundle: less is not worth asking for the rest piece by piece."""


@dataclass(frozen=True)
class Pace:
    """How fast a server has to be, and may be.

    silent_s: it may say nothing for so long. watch_s: on average it has to give `SLOWEST_BYTES_S` over so long.
    metadata_s: a metadata file has to be there after so long. max_kbit_s: of a bundle; None: as fast as it comes.
    """

    silent_s: float = SILENT_S
    watch_s: float = WATCH_S
    metadata_s: float = METADATA_S
    max_kbit_s: float | None = None


@dataclass(frozen=True)
class Kept:
    """A piece that lies in a file on this camera."""

    file: Path
    start: int


@dataclass(frozen=True)
class Wanted:
    """A bundle that is to come. at: what has come of it. pieces: what it is made of; none are known of older ones."""

    length: int
    at: Path
    pieces: tuple[Piece, ...] = ()
    kept: Mapping[str, Kept] | None = None


class FolderFetcher(FetcherInterface):
    """A repository on a stick or a shared disk."""

    def _fetch(self, url: str) -> Iterator[bytes]:
        try:
            with Path(url2pathname(urlsplit(url).path)).open("rb") as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise DownloadHTTPError("no such file", 404) from None


class WebFetcher(Urllib3Fetcher):
    """A repository on a web server.

    wanted: set before a bundle is asked for.
    """

    def __init__(self, pace: Pace) -> None:
        super().__init__(app_user_agent="relens")
        self._pace = pace
        self.wanted: Wanted | None = None

    def _fetch(self, url: str) -> Iterator[bytes]:
        wanted, self.wanted = self.wanted, None
        if wanted is None:
            return self._metadata(url)
        return self._bundle(url, wanted)

    def _metadata(self, url: str) -> Iterator[bytes]:
        end_s = monotonic() + self._pace.metadata_s
        for chunk in self._body(self._ask(url)):
            yield chunk
            if monotonic() > end_s:
                raise SlowRetrievalError(f"it was not done with a small file after {self._pace.metadata_s:.0f} s")

    def _bundle(self, url: str, wanted: Wanted) -> Iterator[bytes]:
        """What has come, then the rest; all of it is kept until the whole is there."""
        with wanted.at.open("a+b") as file:
            have = file.tell() if file.tell() <= wanted.length else file.truncate(0)
            file.seek(0)
            while chunk := file.read(CHUNK):
                yield chunk
            for start, end, kept in _rest(wanted, have):
                for chunk in _read(kept, end - start) if kept else self._range(url, start, end, wanted.length):
                    file.write(chunk)
                    file.flush()
                    yield chunk
                if file.tell() > end:
                    return  # the server knows no ranges, and has given everything

    def _range(self, url: str, start: int, end: int, length: int) -> Iterator[bytes]:
        """From the web server; one that knows no ranges gives everything, and what is there already is passed over."""
        part = None if (start, end) == (0, length) else f"bytes={start}-{end - 1}"
        response = self._ask(url, part)
        skip = start if part and response.status != 206 else 0
        for chunk in self._paced(self._watched(self._body(response))):
            fresh = chunk[min(skip, len(chunk)) :]
            skip -= len(chunk) - len(fresh)
            if fresh:
                yield fresh

    def _ask(self, url: str, part: str | None = None) -> urllib3.BaseHTTPResponse:
        """The head of an answer. A thread waits for it: one that drips would hold us, byte by byte."""
        answers: Queue[urllib3.BaseHTTPResponse | Exception] = Queue()

        def ask() -> None:
            headers = {"User-Agent": "relens", **({"Range": part} if part else {})}
            patience = {"timeout": urllib3.Timeout(self._pace.silent_s), "retries": urllib3.Retry(2, redirect=5)}
            try:
                answers.put(self._proxy_env.request("GET", url, headers=headers, preload_content=False, **patience))
            except Exception as trouble:  # is raised where it is waited for
                answers.put(trouble)

        Thread(target=ask, name="relens-ask", daemon=True).start()
        try:
            response = answers.get(timeout=self._pace.metadata_s)
        except Empty:
            raise SlowRetrievalError(f"its answer had not begun after {self._pace.metadata_s:.0f} s") from None
        if isinstance(response, Exception):
            raise response
        if response.status >= 400:
            response.close()
            raise DownloadHTTPError(f"HTTP error occurred with status {response.status}", response.status)
        return response

    def _body(self, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """As it comes; an end before the announced length is trouble (urllib3's IncompleteRead)."""
        try:
            while chunk := response.read1(CHUNK):
                yield chunk
        finally:
            response.release_conn()

    def _watched(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """End what is too slow."""
        cap = self._pace.max_kbit_s
        least = SLOWEST_BYTES_S if cap is None else min(SLOWEST_BYTES_S, cap * 1000 / 8 / 2)
        came, since_s = 0, monotonic()
        for chunk in chunks:
            came += len(chunk)
            yield chunk
            seconds = monotonic() - since_s
            if seconds >= self._pace.watch_s:
                if came < least * seconds:
                    raise SlowRetrievalError(f"it gives {came / seconds:.0f} bytes a second")
                came, since_s = 0, monotonic()

    def _paced(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Leave the line to others."""
        came, since_s = 0, monotonic()
        for chunk in chunks:
            yield chunk
            came += len(chunk)
            if self._pace.max_kbit_s is not None:
                sleep(max(0.0, came * 8 / 1000 / self._pace.max_kbit_s - (monotonic() - since_s)))


def kept_pieces(files: Iterable[Path], wanted: Iterable[Piece]) -> dict[str, Kept]:
    """Which of the wanted pieces lie in files on this camera, by digest; none where that is not worth it."""
    pieces = list(wanted)
    asked = {one.digest for one in pieces}
    found = {}
    for file in files:
        try:
            content = file.read_bytes()
            found.update({one.digest: Kept(file, one.start) for one in pieces_of(content) if one.digest in asked})
        except (OSError, ValueError):
            continue
    saved = sum(one.end - one.start for one in pieces if one.digest in found)
    return found if pieces and saved >= WORTH * pieces[-1].end else {}


def _rest(wanted: Wanted, have: int) -> Iterator[tuple[int, int, Kept | None]]:
    """Bytes from `have` on: where they begin and end, and where they lie; what has to come and touches, in one go."""
    kept, pieces = wanted.kept or {}, wanted.pieces
    if not kept or pieces[-1].end != wanted.length:
        if have < wanted.length:
            yield have, wanted.length, None
        return
    begun: int | None = None
    for piece in pieces:
        start, here = max(have, piece.start), kept.get(piece.digest)
        if start >= piece.end:
            continue
        if here is None:
            begun = start if begun is None else begun
            continue
        if begun is not None:
            yield begun, start, None
            begun = None
        yield start, piece.end, Kept(here.file, here.start + start - piece.start)
    if begun is not None:
        yield begun, wanted.length, None


def _read(kept: Kept, length: int) -> Iterator[bytes]:
    with kept.file.open("rb") as file:
        file.seek(kept.start)
        while length and (chunk := file.read(min(CHUNK, length))):
            length -= len(chunk)
            yield chunk
