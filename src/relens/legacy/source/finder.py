"""Modules that lie beside an old function, adapted as they are imported."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

from relens.legacy.source.adapter import adapt


def install_finder(folder: Path, *, python: int | None = None) -> None:
    """From now on modules in this folder are found first, and read as `adapt` does. Again for the same one: no change.

    First, because a function's own folder stood first on the camera too; but never before Python's own library,
    which packages such as futures and enum34 were put there to replace, and not for a package with machine code for
    another Python, instead of which an installed one is found.

    Args:
        folder: where the function lies.
        python: 2 or 3 where it is known, as from the function's own `Adapted.python`; otherwise each file is looked at.
    """
    finder = _Finder(folder.resolve(), python)
    if finder not in sys.meta_path:
        sys.meta_path.insert(0, finder)


class _Finder(MetaPathFinder):
    def __init__(self, folder: Path, python: int | None) -> None:
        self.folder = folder
        self.python = python

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Finder) and (other.folder, other.python) == (self.folder, self.python)

    def __hash__(self) -> int:
        return hash((self.folder, self.python))

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in sys.stdlib_module_names:
            return None
        name = fullname.rpartition(".")[2]
        for entry in [self.folder] if path is None else map(Path, path):
            if not entry.resolve().is_relative_to(self.folder):
                continue
            for file in (entry / name / "__init__.py", entry / f"{name}.py"):
                if file.is_file() and not (file.name == "__init__.py" and _is_for_another_python(file.parent)):
                    return spec_from_file_location(fullname, file, loader=_Loader(fullname, str(file), self.python))
        return None


class _Loader(SourceFileLoader):
    def __init__(self, fullname: str, path: str, python: int | None) -> None:
        super().__init__(fullname, path)
        self.python = python

    def get_code(self, fullname: str) -> CodeType:
        """Without a cache of bytecode: nothing is written into the function's folder."""
        file = Path(self.path)
        siblings = _siblings(file.parent) if "." in fullname or file.name == "__init__.py" else frozenset()
        return adapt(file.read_bytes(), self.path, python=self.python, siblings=siblings).code


def _siblings(package: Path) -> frozenset[str]:
    modules = {file.stem for file in package.glob("*.py")} - {"__init__"}
    return frozenset(modules | {file.parent.name for file in package.glob("*/__init__.py")})


def _is_for_another_python(package: Path) -> bool:
    """Whether it holds extension modules, and none that this Python loads."""
    binaries = [file.name for file in package.rglob("*.so")]
    return bool(binaries) and not any(name.endswith(tuple(EXTENSION_SUFFIXES[:2])) for name in binaries)
