"""Find the function in what a user names: its file, its folder, or the zip that was uploaded to AWS Lambda."""

import hashlib
import shutil
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from relens.errors import LegacyTrouble
from relens.legacy.source import Needs, language, needs

FILES = ("lambda_function.py", "greengrassHelloWorld.py")
LARGEST_BYTES, MOST_FILES = 1 << 30, 50_000
"""Of an unpacked zip; AWS took 250 MB."""


@dataclass(frozen=True)
class Function:
    """A function's module and its handler, where that was named."""

    file: Path
    handler: str | None = None

    @property
    def name(self) -> str:
        """What the live page calls it."""
        return self.file.stem

    @property
    def sha256(self) -> str:
        """Of its file."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def needs(self) -> Needs:
        """What stands in its text that it asks for; raises LegacyTrouble RL-LEGACY-001 when it cannot be read."""
        return needs(self.file.read_bytes(), str(self.file), python=2 if language(self.file) == 2 else None)

    def missing_files(self) -> list[str]:
        """Files that it opens by a name in its source, and that are not beside it."""
        return [
            name for name in self.needs().files if not name.startswith("/") and not (self.file.parent / name).exists()
        ]


def find(given: Path, handler: str | None, folder: Path) -> Function:
    """The function in a file, a folder or a zip, which is unpacked into `folder`.

    Args:
        given: what the user names.
        handler: `MODULE` or `MODULE.FUNCTION`, as AWS Lambda's setting; None: one of `FILES`, or the only module.
        folder: for what a zip holds.

    Raises:
        LegacyTrouble: RL-LEGACY-002 when there is none, or several to choose from.
    """
    module, _, name = (handler or "").partition(".")
    if given.is_file() and zipfile.is_zipfile(given):
        _unpack(given, folder)
        root = folder
    elif given.is_file():
        return Function(given.resolve(), name or None)
    elif given.is_dir():
        root = given
    else:
        raise LegacyTrouble("RL-LEGACY-002", f"{given} does not exist", hint="name a function's file, folder or zip")
    candidates = [root / f"{module}.py"] if module else [root / file for file in FILES]
    found = [file for file in candidates if file.is_file()] or ([] if module else sorted(root.glob("*.py")))
    if len(found) != 1:
        there = ", ".join(file.name for file in found or sorted(root.glob("*.py"))) or "no Python file"
        raise LegacyTrouble(
            "RL-LEGACY-002",
            f"{given}: which module is the function? There is {there}",
            hint="name the handler as AWS did: --handler MODULE.FUNCTION",
        )
    return Function(found[0].resolve(), name or None)


def _unpack(path: Path, folder: Path) -> None:
    try:
        _unpack_checked(path, folder)
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as trouble:
        raise LegacyTrouble(
            "RL-LEGACY-002",
            f"{path} cannot be unpacked: {trouble}",
            hint="get the zip again from where it was uploaded to Lambda, without a password",
        ) from None


def _unpack_checked(path: Path, folder: Path) -> None:
    """Every name stays within the folder, and only files and folders come out: a zip is from somewhere else."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > LARGEST_BYTES or len(entries) > MOST_FILES:
            raise LegacyTrouble(
                "RL-LEGACY-002", f"{path} unpacks to more than 1 GiB", hint="unpack it, name the folder"
            )
        for entry in entries:
            name = PurePosixPath(entry.filename.replace("\\", "/"))
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if name.is_absolute() or ".." in name.parts or kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise LegacyTrouble(
                    "RL-LEGACY-002",
                    f"{path} holds {entry.filename[:80]!a}, which is not a file within it",
                    hint="get the zip again from where it was uploaded to Lambda",
                )
            target = folder / name
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(entry) as packed, target.open("wb") as file:
                shutil.copyfileobj(packed, file)
