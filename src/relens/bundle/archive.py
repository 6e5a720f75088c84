"""The zip underneath a bundle: written the same for the same content, read as if it came from an enemy."""

import os
import re
import stat
import struct
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

from relens.errors import BadBundle

EPOCH = (1980, 1, 1, 0, 0, 0)
MAX_ENTRIES = 256
MAX_ENTRY_BYTES = 1 << 30
MAX_TOTAL_BYTES = 1 << 31
# The only names a bundle can hold: no folder of the user's can be reached through them, whatever the system.
ENTRY_NAME = re.compile(r"manifest\.json|model\.tflite|labels\.txt|golden/\d{3}/(frame\.png|output-\d{1,3}\.npy)")


def write_archive(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a zip whose bytes depend on nothing but `files`; whole or not at all.

    Entries are sorted, stored without compression (compressors differ between versions), dated 1980, mode 0644.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name in sorted(files):
                    entry = zipfile.ZipInfo(name, EPOCH)
                    entry.create_system = 3
                    entry.external_attr = (stat.S_IFREG | 0o644) << 16
                    archive.writestr(entry, files[name])
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def read_archive(path: Path) -> dict[str, bytes]:
    """Read all entries of a bundle's zip.

    Raises:
        BadBundle: RL-BUNDLE-001 for anything but a plain zip of the known names: truncated, compressed,
            encrypted, too large, links, folders, names twice.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check_entries(path, entries)
            return {entry.filename: archive.read(entry) for entry in entries}
    except OSError as trouble:
        raise _bad(path, f"cannot be read ({trouble.strerror or trouble})") from None
    except (
        zipfile.BadZipFile,
        struct.error,
        EOFError,
        ValueError,
        NotImplementedError,
        RuntimeError,
    ) as trouble:
        raise _bad(path, f"not a whole zip file ({trouble})") from None


def _check_entries(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise _bad(path, f"{len(entries)} entries, or more than {MAX_TOTAL_BYTES >> 20} MiB in all")
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise _bad(path, "the same name stands in it twice")
    for entry in entries:
        mode = entry.external_attr >> 16
        if not ENTRY_NAME.fullmatch(entry.filename) or (mode and not stat.S_ISREG(mode)):
            raise _bad(path, f"`{entry.filename}` has no place in a bundle")
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > MAX_ENTRY_BYTES or entry.flag_bits & 1:
            raise _bad(path, f"`{entry.filename}` is compressed, encrypted or larger than allowed")
        if entry.compress_size != entry.file_size:
            raise _bad(path, f"`{entry.filename}` gives two sizes")


def _bad(path: Path, why: str) -> BadBundle:
    return BadBundle("RL-BUNDLE-001", f"{path}: {why}", hint="get the bundle again from where it was built")
