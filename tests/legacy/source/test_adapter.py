"""Which language a file is in, what is said of it, and where its errors stand."""

import ast
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from relens.errors import LegacyTrouble
from relens.legacy.source import Adapted, adapt, syntax
from relens.legacy.source.adapter import read


def run(source: str | bytes, python: int | None = None) -> dict[str, Any]:
    """What the module defines."""
    space: dict[str, Any] = {}
    exec(adapt(source.encode() if isinstance(source, str) else source, "old.py", python=python).code, space)
    return space


PYTHON2 = {
    "a print statement": "print 'a', 1\n",
    "print to a file": "import sys\nprint >>sys.stderr, 'a'\n",
    "an exec statement": "exec 'x = 1' in {}\n",
    "except with a comma": "try:\n    pass\nexcept ValueError, e:\n    pass\n",
    "raise with a comma": "def f():\n    raise ValueError, 'a'\n",
    "backticks": "x = `1`\n",
    "another sign for unequal": "x = 1 <> 2\n",
    "octal numbers": "x = 0755\n",
    "long numbers": "x = 10L\n",
    "raw unicode": "x = ur'\\d'\n",
    "escapes that were none": "x = 'C:\\users'\n",
    "parameters that are tuples": "def f((a, b)):\n    return a\n",
    "tabs that Python 3 refuses": "if 1:\n        x = 1\n\ty = 2\n",
    "a tuple without parentheses in a list": "x = [y for y in 1, 2]\n",
    "a module that is gone": "def f():\n    import urllib2\n",
    "a method that is gone": "def f(d):\n    return d.has_key(1)\n",
    "another method that is gone": "def f(d):\n    return d.iteritems()\n",
    "a built-in that is gone": "def f():\n    return xrange(3)\n",
    "a function that has moved": "def f():\n    import urllib\n    return urllib.urlopen('x')\n",
    "an import that has moved": "from itertools import izip\n",
    "a global after its use": "x = 1\ndef f():\n    x = 2\n    global x\n",
    "a metaclass": "class A:\n    __metaclass__ = type\n",
    "its first line": "#!/usr/bin/env python2.7\nx = 1\n",
}


@pytest.mark.parametrize("source", PYTHON2.values(), ids=PYTHON2)
def test_python_2_is_known_by(source: str) -> None:
    adapted = adapt(source.encode(), "old.py")
    assert adapted.python == 2
    assert "read as Python 2 (" in adapted.notes[0]


PYTHON3 = {
    "a print function": "print('a', end='')\n",
    "a fallback for a module": "try:\n    import urllib2\nexcept ImportError:\n    import urllib.request as urllib2\n",
    "any fallback": "try:\n    from StringIO import StringIO\nexcept:\n    from io import StringIO\n",
    "a fallback for a name": "try:\n    text = unicode\nexcept NameError:\n    text = str\n",
    "a question about the version": "import sys\nif sys.version_info[0] == 2:\n    text = unicode\n",
    "a variable called as a module": "def f(string):\n    return string.split()\n",
    "a name of its own": "def reduce(x):\n    return x\nfile = 'a'\nfor long in range(3):\n    print(file, long)\n",
    "an import of its own": "from functools import reduce\nx = reduce(max, [1])\n",
    "anything from elsewhere": "from tools import *\nx = unicode('a')\n",
}


@pytest.mark.parametrize("source", PYTHON3.values(), ids=PYTHON3)
def test_python_3_is_not_taken_for_python_2_because_of(source: str) -> None:
    adapted = adapt(source.encode(), "old.py")
    assert (adapted.python, adapted.notes) == (3, ())


@pytest.mark.parametrize("path", sorted(Path(ast.__file__).parent.glob("[a-h]*.py"))[:40], ids=lambda path: path.name)
def test_python_3_comes_through_as_it_is(path: Path) -> None:
    source = path.read_bytes()
    reading = read(source, str(path))
    assert reading.python == 3, reading.notes
    assert ast.dump(reading.tree, include_attributes=True) == ast.dump(ast.parse(source), include_attributes=True)
    assert adapt(source, str(path), python=3).code == compile(source, str(path), "exec", dont_inherit=True)


def test_python_3_never_needs_a_parser_for_python_2(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "LIBRARIES", ("no_such_library",))
    assert run("x = 3 / 2\n")["x"] == 1.5
    assert run("x = {1: 2}.has_key(1), 3 / 2\n")["x"] == (True, 1), "nor does what is only named in the old way"


def test_without_a_parser_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "LIBRARIES", ("no_such_library",))
    with pytest.raises(LegacyTrouble, match=r"f\.py is written in Python 2 \(line 2: .*fissix") as caught:
        adapt(b"x = 1\nprint x\n", "f.py")
    assert caught.value.hint == "python -m pip install 'relens[legacy]'"


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="lib2to3 went with Python 3.13")
def test_lib2to3_serves_where_fissix_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syntax, "LIBRARIES", ("no_such_library", "lib2to3"))
    assert run("x = 0755, `1`, 1 <> 2\n")["x"] == (493, "1", True)


def test_a_parser_without_a_folder_for_its_grammar_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service's home is often not to be written to."""
    fissix = pytest.importorskip("fissix")
    (tmp_path / "file").touch()
    monkeypatch.setattr(fissix, "CACHE_DIR", tmp_path / "file/below")
    for name in [name for name in sys.modules if name.startswith("fissix.")]:
        monkeypatch.delitem(sys.modules, name)
    from fissix.pgen2 import driver

    monkeypatch.setattr(driver, "_generate_pickle_name", fissix._generate_pickle_name)
    monkeypatch.setattr(driver, "load_grammar", fissix.load_grammar)
    assert run("x = 0755\n")["x"] == 493


@pytest.mark.parametrize(
    ("source", "line"),
    [
        (b"x = 1\nprint 'a'\ndef f(:\n", 3),
        (b"x = 1\nx = (1,\n", 3),
        (b"x = 1\nif x:\n    y = 1\n  z = 2\n", 4),
        (b"x = '''abc\n", 1),
        (b"x = 1\nreturn x\n", 2),
    ],
)
def test_what_is_neither_language_is_refused_with_its_line(source: bytes, line: int) -> None:
    with pytest.raises(LegacyTrouble, match=f"dir/f.py, line {line}: ") as caught:
        adapt(source, "dir/f.py")
    assert (caught.value.code, caught.value.details["line"]) == ("RL-LEGACY-001", line)


@pytest.mark.parametrize("source", [b"x = 1\0\n", b"(" * 5000, b"-" * 100_000 + b"1", b"\xff\xfex\0"])
def test_rubbish_is_refused(source: bytes) -> None:
    with pytest.raises(LegacyTrouble, match=r"f\.py"):
        adapt(source, "f.py")


def test_who_asks_for_a_language_gets_it() -> None:
    assert run("x = 3 / 2\n", python=2)["x"] == 1
    assert run("x = 3 / 2\n", python=3)["x"] == 1.5
    with pytest.raises(LegacyTrouble, match="line 1: not Python 3: "):
        adapt(b"print 1\n", "f.py", python=3)


def test_lines_with_a_doubtful_division_are_named() -> None:
    source = b"h = 7\nx = h / 2\ny = h / 2.0\nz = float(h) / 2\nx /= h\n"
    assert adapt(source, "f.py").notes == (
        "read as Python 3: '/' in lines 2, 5 gives fractions; Python 2 floored between integers",
    )
    assert adapt(b"from __future__ import division\n" + source, "f.py").notes == ()
    assert adapt(source, "f.py", python=3).notes == ()


def test_notes_say_what_was_changed() -> None:
    adapted = adapt(b"if 1:\n        print 1\n\tx = y.tostring()\n", "f.py")
    assert isinstance(adapted, Adapted)
    assert adapted.notes[1:] == (
        "tabs in front of code taken as blanks, to multiples of 8 columns",
        "statements of Python 2 rewritten",
        "tostring() is tobytes() today (line 3)",
    )


def test_tracebacks_name_the_file_and_the_line_as_they_were() -> None:
    source = """\
"Docstring"
from __future__ import print_function
def swap((a, b), c):
    return b, a
def both((a, b), (c, d)):
    try:
        pass
    except (ValueError, TypeError), e:
        pass
    return 1 / (a - a)
both((1, 2), (3, 4))
"""
    code = adapt(source.encode(), "dir/old.py").code
    with pytest.raises(ZeroDivisionError) as caught:
        exec(code, {})
    frames = [(f.filename, f.lineno, f.name) for f in traceback.extract_tb(caught.value.__traceback__)[1:3]]
    assert frames == [("dir/old.py", 11, "<module>"), ("dir/old.py", 10, "both")]


def test_old_escapes_give_no_warning() -> None:
    assert run("x = '\\d' is '\\d'\n")["x"] in (True, False)
