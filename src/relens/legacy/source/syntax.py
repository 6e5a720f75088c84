"""Statements that only Python 2 has: `print x`, `except E, e`, `exec s`, backticks, `<>`, 0755.

The grammar is fissix's, the kept fork of lib2to3; lib2to3 itself serves where it still comes with Python (until 3.12).
Only syntax is rewritten here. What the same syntax meant to Python 2 is `python2`'s affair.
"""

import ast
import difflib
import importlib
import tempfile
import warnings
from pathlib import Path
from typing import Any

from relens.errors import LegacyTrouble
from relens.legacy.source.text import unreadable

FIXERS = ("except", "exec", "ne", "numliterals", "paren", "print", "raise", "repr", "throw", "tuple_params")
LIBRARIES = ("fissix", "lib2to3")


def convert(text: str, filename: str, reason: str) -> str:
    """The text with its Python 2 statements rewritten for Python 3.

    Args:
        text: the whole file.
        filename: for messages.
        reason: why it is taken for Python 2.

    Raises:
        LegacyTrouble: (RL-LEGACY-001) the text is not Python 2, or no library that knows Python 2 is installed.
    """
    library, refactor = _library(filename, reason)
    tool = refactor.RefactoringTool([f"{library}.fixes.fix_{name}" for name in FIXERS])
    try:
        return str(tool.refactor_string(text if text.endswith("\n") else f"{text}\n", filename))
    except Exception as error:  # ParseError, TokenError and SyntaxError have no base class in common but this
        line, what = _place(error)
        raise unreadable(filename, line, f"neither Python 3 ({reason}) nor Python 2: {what}") from error


def relocate(tree: ast.AST, old: str, new: str) -> None:
    """Gives the tree of `new` the line numbers of `old`, where rewriting has added or taken lines."""
    before, after = old.splitlines(), new.splitlines()
    if len(before) == len(after):
        return
    line_of = {len(after) + 1: len(before) + 1}
    for _, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        for j in range(j1, j2):
            line_of[j + 1] = max(1, min(i1 + (j - j1) + 1, i2))
    for node in ast.walk(tree):
        for name in ("lineno", "end_lineno"):
            if getattr(node, name, None) is not None:
                setattr(node, name, line_of[getattr(node, name)])


def _library(filename: str, reason: str) -> tuple[str, Any]:
    for library in LIBRARIES:
        try:
            with warnings.catch_warnings():  # lib2to3 warns that it is going to be gone
                warnings.simplefilter("ignore")
                return library, _refactor(library)
        except ModuleNotFoundError:
            continue
    raise LegacyTrouble(
        "RL-LEGACY-001",
        f"{filename} is written in Python 2 ({reason}), and fissix, which reads it, is not installed",
        hint="python -m pip install 'relens[legacy]'",
        details={"file": filename},
    )


def _refactor(library: str) -> Any:
    try:
        return importlib.import_module(f"{library}.refactor")
    except OSError:
        # fissix keeps its grammar under the home folder, and a service has none that it may write to.
        package: Any = importlib.import_module(library)
        with tempfile.TemporaryDirectory() as folder:
            package.CACHE_DIR = Path(folder)
            return importlib.import_module(f"{library}.refactor")


def _place(error: Any) -> tuple[int | None, str]:
    """The line and the reason, out of the three kinds of errors that the library raises."""
    if isinstance(error, SyntaxError):
        return error.lineno, str(error.msg)
    if hasattr(error, "context"):  # ParseError
        return error.context[1][0], f"unexpected {error.value!r}"
    if len(error.args) == 2 and isinstance(error.args[1], tuple):  # TokenError
        return error.args[1][0], str(error.args[0])
    return None, str(error)
