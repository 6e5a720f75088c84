"""A bundle as pieces, an entry each: what two bundles share need not travel twice."""

import hashlib
import zipfile
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

DIGITS = 16
"""Of a piece's SHA-256: they only say what to look for; the whole file's own SHA-256 says what is right."""


@dataclass(frozen=True)
class Piece:
    """Bytes `start` up to, not including, `end` of a file."""

    start: int
    end: int
    digest: str


def pieces_of(content: bytes) -> list[Piece]:
    """Those of an archive: each entry with its header, and the directory; they cover it without a gap.

    Raises:
        ValueError: it is no archive.
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            inner = {entry.header_offset for entry in archive.infolist()} | {archive.start_dir}
    except zipfile.BadZipFile as trouble:
        raise ValueError(str(trouble)) from None
    ends = sorted({0, *inner, len(content)})
    return [Piece(start, end, _digest(content[start:end])) for start, end in pairwise(ends)]


def to_words(pieces: list[Piece]) -> str:
    """As one short text."""
    return " ".join(f"{one.end - one.start}:{one.digest}" for one in pieces)


def from_words(words: str) -> list[Piece]:
    """What `to_words` gave.

    Raises:
        ValueError: it gave something else.
    """
    found, start = [], 0
    for word in words.split():
        length, _, digest = word.partition(":")
        found.append(Piece(start, start + int(length), digest))
        start += int(length)
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:DIGITS]
