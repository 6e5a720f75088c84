"""One old source file, read and compiled."""

import ast
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from relens.legacy.source import gone, python2, syntax
from relens.legacy.source.telltales import Telltale, divisions, telltales
from relens.legacy.source.text import decode, expand_tabs, old_literals, unreadable


@dataclass(frozen=True)
class Adapted:
    """Code of an old file, ready to be executed (after `old_names()`)."""

    code: types.CodeType
    """Compiled under the original file name, with the original line numbers."""
    python: int
    """2 or 3: the language it was written in."""
    notes: tuple[str, ...]
    """What had to be changed, for people."""


@dataclass(frozen=True)
class Reading:
    """A file's tree before its meaning is adapted."""

    tree: ast.Module
    python: int
    notes: tuple[str, ...]


def adapt(
    source: bytes, filename: str, *, python: int | None = None, siblings: frozenset[str] = frozenset()
) -> Adapted:
    """Compiles an old file for today's Python.

    What parses as Python 3 and shows no sign of Python 2 (a module, a name or a method that only it had) is taken as
    Python 3. Where that is wrong, `/` between integers gives a fraction that it did not have on the camera: the notes
    name such lines, and `python=2` takes the file as Python 2.

    Args:
        source: the file as it is.
        filename: its path, for tracebacks and messages.
        python: 2 or 3 where it is known; otherwise found out.
        siblings: the modules of the package that the file is a part of; Python 2 imported them by their bare names.

    Raises:
        LegacyTrouble: (RL-LEGACY-001) the file is neither Python 3 nor Python 2, or it is Python 2 and fissix is
            not installed.
    """
    reading = read(source, filename, python=python)
    tree, notes = gone.bring_back(reading.tree)
    if reading.python == 2:
        tree = python2.keep_meaning(tree, siblings)
    else:
        notes = (*notes, *_doubts(tree, python))
    try:
        with _quiet():
            code = compile(tree, filename, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        raise unreadable(filename, getattr(error, "lineno", None), _reason(error)) from error
    return Adapted(code, reading.python, reading.notes + notes)


def read(source: bytes, filename: str, *, python: int | None = None) -> Reading:
    """The tree of a file, in Python 3's syntax and with the original line numbers. Arguments and errors as `adapt`."""
    text = decode(source, filename)
    try:
        tree = _parse(text, filename)
    except SyntaxError as error:
        if python == 3:
            raise unreadable(filename, error.lineno, f"not Python 3: {_reason(error)}") from error
        return _read_python2(text, filename, f"line {error.lineno}: {_reason(error)}", statements=True)
    except (ValueError, RecursionError, MemoryError) as error:  # zero bytes, nesting without end
        raise unreadable(filename, None, _reason(error)) from error
    found = telltales(tree, text)
    if python == 3 or (python is None and not found):
        return Reading(tree, 3, ())
    reason = "as asked for" if python == 2 else _told(found)
    return _read_python2(text, filename, reason, statements=any(item.is_statement for item in found))


def _read_python2(text: str, filename: str, reason: str, *, statements: bool) -> Reading:
    """`statements`: Python 3's parser refuses the file, or reads a statement of Python 2 as something else."""
    notes = [f"read as Python 2 ({reason})"]
    plain = expand_tabs(text)
    if plain != text:
        notes.append("tabs in front of code taken as blanks, to multiples of 8 columns")
    plain = old_literals(plain)
    try:
        tree = _parse(plain, filename)
        if not (statements and any(item.is_statement for item in telltales(tree, plain))):
            return Reading(tree, 2, tuple(notes))
    except SyntaxError:
        pass
    converted = syntax.convert(plain, filename, reason)
    try:
        tree = _parse(converted, filename)
    except SyntaxError as error:
        raise unreadable(filename, error.lineno, f"neither Python 3 nor Python 2: {_reason(error)}") from error
    syntax.relocate(tree, plain, converted)
    return Reading(tree, 2, (*notes, "statements of Python 2 rewritten"))


def _parse(text: str, filename: str) -> ast.Module:
    with _quiet():
        return ast.parse(text, filename)


@contextmanager
def _quiet() -> Iterator[None]:
    """Old escapes such as a backslash before a d are not worth a warning in somebody else's file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _told(found: list[Telltale]) -> str:
    first, rest = found[0], len(found) - 1
    more = f", and {rest} more" if rest else ""
    return f"line {first.line}: {first.what}{more}"


def _doubts(tree: ast.Module, python: int | None) -> tuple[str, ...]:
    lines = divisions(tree) if python is None else ()
    if not lines:
        return ()
    where = ", ".join(map(str, lines[:8])) + (", ..." if len(lines) > 8 else "")
    plural = "s" if len(lines) > 1 else ""
    return (f"read as Python 3: '/' in line{plural} {where} gives fractions; Python 2 floored between integers",)


def _reason(error: BaseException) -> str:
    return str(error.msg) if isinstance(error, SyntaxError) else f"{error or type(error).__name__}"
