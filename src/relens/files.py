"""Files are written whole or not at all."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from relens.errors import DeviceTrouble


def check_writable(path: Path, source: Path | None = None) -> None:
    """Refuse, before long work begins, a file that could not be written at its end, or that would replace `source`.

    Raises:
        DeviceTrouble: RL-DEVICE-004 with the reason.
    """
    folder = path.absolute().parent
    why = None
    if path.is_dir():
        why = "is a folder"
    elif not folder.is_dir():
        raise DeviceTrouble("RL-DEVICE-004", f"{path} has no folder yet", hint=f"mkdir -p {folder}")
    elif not os.access(folder, os.W_OK):
        why = "cannot be written there"
    elif source is not None and path.exists() and path.samefile(source):
        why = "is the source itself"
    if why:
        raise DeviceTrouble("RL-DEVICE-004", f"{path} {why}", hint="name another file with -o")


def write_whole(path: Path, parts: Iterable[bytes], mode: int = 0o666) -> None:
    """Write a file so that a reader, and a power cut, meets the old one or the new one, never a part.

    mode: who may read and write it, less the process's umask.

    Raises:
        OSError: it cannot be written; nothing of it is left, and a file that stood there still does.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make what was renamed in a folder last through a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
