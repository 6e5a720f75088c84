"""A small text on disk that changes as one: the target of a symbolic link.

Linux keeps such a target of up to 59 bytes in the link's own inode, so a swap needs no free block: it works on a full
disk, where a rollback is needed most. After a power cut there is the old text or the new one.
"""

import os
import secrets
from contextlib import suppress
from pathlib import Path

from relens.files import sync_folder

MOST_BYTES = 59


def read_cell(path: Path) -> str | None:
    """The text, or None where there is none."""
    try:
        return os.readlink(path)  # noqa: PTH115 - a Path would take it for a path and tidy it up
    except OSError:
        return None


def write_cell(path: Path, text: str) -> None:
    """Put another text in its place, for good.

    Raises:
        OSError: it cannot be written; the old one still stands.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    os.symlink(_short(text), temporary)  # noqa: PTH211 - as above
    try:
        temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def _short(text: str) -> str:
    return text.replace("\0", " ").encode()[:MOST_BYTES].decode(errors="ignore") or "-"
