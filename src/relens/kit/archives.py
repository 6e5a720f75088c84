"""The shared objects in what a kit is made of: wheels, and a Python of its own."""

import gzip
import hashlib
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from relens.errors import DeliveryTrouble
from relens.files import write_whole
from relens.kit.objects import SharedObject, is_object, read_object

_CACHE_VERSION = 1
_ROWS = TypeAdapter(tuple[SharedObject, ...])


def objects_in(files: list[Path], cache: Path | None = None) -> tuple[SharedObject, ...]:
    """Every shared object and program in wheels and tar archives, read.

    Args:
        files: `.whl` and `.tar.gz`.
        cache: a folder that keeps what was found in a file, by its content; reading all of them takes half a minute.

    Raises:
        DeliveryTrouble: RL-KIT-002 when one is damaged.
    """
    with ProcessPoolExecutor() as pool:
        return tuple(one for found in pool.map(_objects, files, [cache] * len(files)) for one in found)


def contents(file: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the plain files in an archive.

    Raises:
        DeliveryTrouble: RL-KIT-002 when it is damaged.
    """
    try:
        if file.suffix == ".whl":
            with zipfile.ZipFile(file) as wheel:
                for name in wheel.namelist():
                    yield name, wheel.read(name)
        else:
            with gzip.open(file) as whole:  # tarfile stops where it finds its end, before the check sum
                while whole.read(1 << 22):
                    pass
            with tarfile.open(file, "r:gz") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.isreg() else None
                    if content is not None:
                        yield member.name, content.read()
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, zlib.error) as trouble:
        raise DeliveryTrouble("RL-KIT-002", f"{file} is damaged: {trouble}", hint="fetch it again") from None


def _objects(file: Path, cache: Path | None) -> tuple[SharedObject, ...]:
    kept = None
    if cache is not None:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        kept = cache / f"{digest}.{_CACHE_VERSION}.json"
        with suppress(OSError, ValidationError):  # not there, or not whole
            return _ROWS.validate_json(kept.read_bytes())
    try:
        found = tuple(
            read_object(content, name, file.name) for name, content in contents(file) if is_object(content[:4])
        )
    except ValueError as trouble:
        raise DeliveryTrouble("RL-KIT-002", str(trouble), hint="fetch it again") from None
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_whole(kept, [_ROWS.dump_json(found)])
    return found
