"""The zip underneath a bundle. Its bytes follow from its content alone, so a reader can hold a file to them.

The zip format leaves freedoms: compression, comments, gaps, bytes before and behind, two headers an entry that may
contradict each other. Every attack by zip lives in one of them, and a bundle uses none. `layout` says what the bytes
are: the writer writes them, and the reader refuses all others. (The `zipfile` module reads these files, but forgives
too much: whatever stands before the first entry, comments, local headers that say something else.)
"""

import re
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from relens.bundle.refusal import damaged
from relens.files import write_whole

MAX_BYTES = 1 << 31
MAX_ENTRIES = 1024
# The only names a bundle can hold: no folder of the user's can be reached through them, whatever the system.
ENTRY_NAME = re.compile(
    rb"manifest\.json|model\.tflite|labels\.txt|golden/[0-9]{3}/(frame\.png|output-[0-9]{1,3}\.npy)"
)

# Both headers of an entry share the fields from "version needed" to "length of the extra field".
LOCAL_HEADER = struct.Struct("<4s5H3I2H")
DIRECTORY_HEADER = struct.Struct("<4s6H3I5H2I")
END = struct.Struct("<4s4H2IH")
VERSION_NEEDED = 20
MADE_BY = 3 << 8 | VERSION_NEEDED  # Unix, for the mode below
MODE = (stat.S_IFREG | 0o644) << 16
FIRST_OF_1980 = 1 << 5 | 1


def layout(files: Mapping[str, bytes]) -> Iterator[bytes]:
    """The bytes of the archive, part by part: entries in order of their names, stored, dated 1980-01-01, mode 0644."""
    offset, directory = 0, []
    for name, content in sorted(files.items()):
        crc, size = zlib.crc32(content), len(content)
        shared = (VERSION_NEEDED, 0, 0, 0, FIRST_OF_1980, crc, size, size, len(name), 0)
        header = LOCAL_HEADER.pack(b"PK\3\4", *shared) + name.encode("ascii")
        entry = DIRECTORY_HEADER.pack(b"PK\1\2", MADE_BY, *shared, 0, 0, 0, MODE, offset) + name.encode("ascii")
        directory.append(entry)
        yield header
        yield content
        offset += len(header) + size
    entries = b"".join(directory)
    yield entries
    yield END.pack(b"PK\5\6", 0, 0, len(directory), len(directory), len(entries), offset, 0)


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """Write the archive, whole or not at all.

    Raises:
        OSError: it cannot be written; nothing of it is left, and a file that stood there still does.
    """
    write_whole(path, layout(files))


def read_bytes(path: Path) -> bytes:
    """The content of a bundle file, read once, so that what is checked is what is used.

    Raises:
        BadBundle: RL-BUNDLE-001 when it cannot be read, is no regular file or is larger than 2 GiB.
    """
    try:
        facts = path.stat()
        if not stat.S_ISREG(facts.st_mode):
            raise damaged(path, "is not a file")
        if facts.st_size > MAX_BYTES:
            raise damaged(path, f"has {facts.st_size} bytes, and a bundle at most {MAX_BYTES}")
        with path.open("rb") as file:
            return file.read(facts.st_size)
    except (OSError, ValueError) as trouble:
        raise damaged(path, f"cannot be read ({trouble})") from None


def unpacked(path: Path, content: bytes) -> dict[str, bytes]:
    """The entries of an archive, by name.

    Raises:
        BadBundle: RL-BUNDLE-001 for any bytes that `layout` does not give.
    """
    files = _entries(path, content)
    place = 0
    for part in layout(files):
        if not content.startswith(part, place):
            raise damaged(path, f"cut short, changed, or not written by relens (see byte {place})")
        place += len(part)
    if place != len(content):
        raise damaged(path, f"{len(content) - place} bytes follow its end")
    return files


def _entries(path: Path, content: bytes) -> dict[str, bytes]:
    """What the local headers, one behind the other, claim to be there; `unpacked` holds it against the layout."""
    files: dict[str, bytes] = {}
    place = 0
    while content.startswith(b"PK\3\4", place) and len(content) - place >= LOCAL_HEADER.size:
        *_, size, name_size, _ = LOCAL_HEADER.unpack_from(content, place)
        start = place + LOCAL_HEADER.size + name_size
        name = content[start - name_size : start]
        if not ENTRY_NAME.fullmatch(name):
            raise damaged(path, f"an entry named {name[:80]!r} has no place in a bundle")
        if len(files) == MAX_ENTRIES:
            raise damaged(path, f"more than {MAX_ENTRIES} entries")
        files[name.decode("ascii")] = content[start : start + size]
        place = start + size
    if not files:
        raise damaged(path, "not a bundle: it does not begin as a zip file does")
    return files
