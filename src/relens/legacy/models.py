"""The folder of models: which bundle a function means, found or built."""

import hashlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from relens.errors import LegacyTrouble, RelensError
from relens.legacy.samples import Entry, Samples, names, stem

logger = logging.getLogger("relens.legacy")
BUILDABLE = (".tflite", ".pb", ".keras", ".h5")

Size = tuple[int, int]
Builder = Callable[[Path, Path, Size | None], None]
"""Makes a bundle: the model's file, the bundle to write, and height and width for a model that leaves them open."""


@dataclass(frozen=True)
class Found:
    """A bundle, and how the function numbers its classes (`relens.legacy.numbering`). note: what to know about it."""

    bundle: Path
    numbers: Mapping[str, int] = field(default_factory=dict)
    first: int | None = None
    note: str | None = None


class Models:
    """A folder of bundles, and of models that are built to bundles, which are kept in its `.relens`.

    Args:
        folder: where they are.
        build: makes a bundle of a model; None: where there is none to make one with.

    Raises:
        BadConfig: RL-CONFIG-001 to -003 for a `legacy.toml` in it that cannot be used.
        LegacyTrouble: RL-LEGACY-003 when there is no such folder.
    """

    def __init__(self, folder: Path, build: Builder | None = None) -> None:
        if not folder.is_dir():
            raise LegacyTrouble(
                "RL-LEGACY-003", f"there is no folder of models {folder}", hint="name one with --models"
            )
        self.folder, self.build = folder.resolve(), build
        self.samples = Samples.read(self.folder)
        self._failed: dict[Path, RelensError] = {}
        self._sizes: dict[Path, Size] = {}
        """What the optimizer was asked for last: `awscam.Model` comes after it, and says none."""

    def get(self, path: str, size: Size | None = None) -> Found:
        """The bundle that a function means by a path or a name.

        Args:
            path: such as `/opt/awscam/artifacts/NAME.xml`, or `NAME`.
            size: the height and width that it wants, where a model leaves them open.

        Raises:
            LegacyTrouble: RL-LEGACY-003 when there is none, -004 when it cannot be built here.
            RelensError: whatever the building says.
        """
        asked, file = stem(path), self.file(path)
        entry = self.samples.entry(asked)
        if file is None:
            raise self._missing(path, asked, entry)
        return self._found(asked, file, entry, size)

    def file(self, path: str) -> Path | None:
        """The file that stands for a model's path or name; a bundle goes before what one can be made of."""
        asked = stem(path)
        entry = self.samples.entry(asked)
        known = names(asked) + ([entry.bundle] if entry and entry.bundle else [])
        files = (self.folder / f"{name}{suffix}" for name in known for suffix in (".relens", *BUILDABLE))
        return next((file for file in files if file.is_file()), None)

    def _found(self, asked: str, file: Path, entry: Entry | None, size: Size | None) -> Found:
        bundle = file if file.suffix == ".relens" else self._built(file, size)
        if entry is None:
            return Found(bundle)
        note = None if file.stem in names(asked) else f"{file.name} stands for {asked}, {entry.what}"
        return Found(bundle, entry.labels, entry.first, note)

    def _built(self, source: Path, size: Size | None) -> Path:
        """Once; again when the model, what is said about it or the size has changed."""
        size = size or self._sizes.get(source)
        if size is not None:
            self._sizes[source] = size
        notes = source.with_suffix(".toml")
        said = notes.read_bytes() if notes.exists() else b""
        # Labels are a file of their own, which the notes name.
        beside = [file.read_bytes() for file in sorted(self.folder.glob("*.txt"))] if said else []
        parts = [source.read_bytes(), said, *beside]
        digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()[:12]
        kept = self.folder / ".relens"
        for wanted in (size, None):
            made = kept / f"{source.stem}-{digest}{_words(wanted)}.relens"
            if made.exists():
                return made
        if size is None:
            # The optimizer was asked for a size in a run before.
            sized = sorted(kept.glob(f"{source.stem}-{digest}-*.relens"), key=lambda file: file.stat().st_mtime)
            if sized:
                return sized[-1]
        if self.build is None:
            raise LegacyTrouble(
                "RL-LEGACY-004",
                f"{source.name} is not a bundle yet, and there is nothing here to make one with",
                hint=_commands(source),
            )
        made = kept / f"{source.stem}-{digest}{_words(size)}.relens"
        if made in self._failed:  # some functions try again and again
            raise self._failed[made]
        try:
            kept.mkdir(exist_ok=True)
        except OSError as trouble:
            raise LegacyTrouble(
                "RL-LEGACY-004",
                f"a bundle of {source.name} cannot be kept in {kept}: {trouble.strerror}",
                hint=_commands(source),
            ) from None
        logger.warning("building a bundle of %s, once", source.name)
        try:
            self.build(source, made, size)
        except RelensError as trouble:
            self._failed[made] = trouble
            raise
        return made

    def _missing(self, path: str, asked: str, entry: Entry | None) -> RelensError:
        foreign = [file.name for name in names(asked) for file in sorted(self.folder.glob(f"{_quoted(name)}[-.]*"))]
        mxnet = [name for name in foreign if name.endswith(("-symbol.json", ".params", ".caffemodel", ".prototxt"))]
        if mxnet:
            return LegacyTrouble(
                "RL-LEGACY-004",
                f"the function asks for {asked}, and {mxnet[0]} is not TensorFlow: nothing here converts it",
                hint=f"train it in TensorFlow, and put {asked}.relens (or .pb, .h5, .keras) into {self.folder}",
            )
        there = ", ".join(sorted(file.name for file in self.folder.iterdir() if not file.name.startswith(".")))
        wanted = f"{entry.bundle or asked}.relens, {entry.what}," if entry else f"{asked}.relens"
        return LegacyTrouble(
            "RL-LEGACY-003",
            f"the function asks for {path}, and {self.folder} has no such model; it has {there or 'nothing'}",
            hint=f"put {wanted} into {self.folder} (or .pb, .h5, .keras, .tflite), or name another in its legacy.toml",
        )


def _commands(source: Path) -> str:
    """What makes a bundle of a model at the desk."""
    package = f"relens package {source.stem}.tflite -o {source.stem}.relens"
    return (
        package if source.suffix == ".tflite" else f"relens convert {source.name} -o {source.stem}.tflite && {package}"
    )


def _words(size: Size | None) -> str:
    return f"-{size[0]}x{size[1]}" if size else ""


def _quoted(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)
