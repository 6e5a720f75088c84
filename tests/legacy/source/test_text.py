"""Encodings, tabs and literals of old files."""

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relens.errors import LegacyTrouble
from relens.legacy.source.text import decode, expand_tabs, old_literals


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (b"\xef\xbb\xbfx = 1\r\ny = 2\r\n", "x = 1\ny = 2\n"),
        (b"# coding: latin-1\nx = '\xe9'\n", "# coding: latin-1\nx = '\xe9'\n"),
        ("x = 'é'\n".encode(), "x = 'é'\n"),
        (b"x = 1\ry = 2\r", "x = 1\ny = 2\n"),
    ],
)
def test_declarations_marks_and_line_ends_of_any_system_are_understood(source: bytes, text: str) -> None:
    assert decode(source, "f.py") == text


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        (b"x = 1\ny = 2\nz = '\xe9'\n", 3, "byte 0xe9 is not utf-8"),
        (b"x = '\xe9'\n", 1, "invalid"),
        (b"# coding: klingon\n", 1, "klingon"),
    ],
)
def test_bytes_outside_of_the_encoding_are_named_with_their_line(source: bytes, line: int, words: str) -> None:
    with pytest.raises(LegacyTrouble, match=words) as caught:
        decode(source, "old/f.py")
    assert caught.value.code == "RL-LEGACY-001"
    assert caught.value.message.startswith(f"old/f.py, line {line}: ")


@pytest.mark.parametrize(
    ("line", "expanded"),
    [
        ("\tx = 1", "        x = 1"),
        ("    \tx = 1", "        x = 1"),
        ("         \tx = 1", "                x = 1"),
        ("\t    x = 1", "            x = 1"),
        ("  \f\tx = 1", "        x = 1"),
        ("x =\t1\t# a\tb", "x =\t1\t# a\tb"),
    ],
)
def test_a_leading_tab_goes_to_the_next_multiple_of_eight(line: str, expanded: str) -> None:
    assert expand_tabs(f"{line}\t\n") == f"{expanded}\t\n"


def test_lines_that_begin_within_a_string_keep_their_tabs() -> None:
    text = 'x = """\n\ta\n\t"""\n\ty = \'b\\\n\tc\'\n# it\'s\n\tz = r"\\"\n\tw = 1\n'
    assert (
        expand_tabs(text)
        == 'x = """\n\ta\n\t"""\n        y = \'b\\\n\tc\'\n# it\'s\n        z = r"\\"\n        w = 1\n'
    )


WORDS = st.text("ab\t\n \"'#\\ué", max_size=12)
QUOTES = st.sampled_from(['"', "'", '"""', "'''"])


def _literal(content: str, quote: str) -> str:
    """The content as a literal with real tabs and, between three quotes, real line ends."""
    escaped = content.replace("\\", "\\\\").replace(quote[0], f"\\{quote[0]}")
    return quote + (escaped if len(quote) == 3 else escaped.replace("\n", "\\\n")) + quote


@given(st.lists(st.tuples(WORDS, QUOTES, st.sampled_from(["", "\t", "  \t", "    "])), min_size=1, max_size=6))
def test_expanding_tabs_never_changes_what_a_string_holds(items: list[tuple[str, str, str]]) -> None:
    text = "".join(f"if x:  # it's '''\n{indent}\ty = {_literal(w, q)}\n" for w, q, indent in items)

    def strings(source: str) -> list[object]:
        tree = ast.parse(source)
        return [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]

    expanded = expand_tabs(text)
    assert strings(expanded) == strings(text)
    assert len(expanded.splitlines()) == len(text.splitlines())


def test_literals_that_python_3_refuses_keep_their_value() -> None:
    """As Python 2.7.18 prints them."""
    text = r"""[ur'\d', Ur"x", '\user\new', 'a\\unit', u'\u0041', r'\u', b'\u', '\x41', '''\Name''']  # don't \u"""
    changed = old_literals(text)
    value = eval(changed.replace(r"b'\u', ", ""))
    assert value == ["\\d", "x", "\\user\new", "a\\unit", "A", "\\u", "A", "\\Name"]
    assert changed.endswith(r"# don't \u")


def test_unicode_literals_have_escapes_everywhere() -> None:
    text = "from __future__ import unicode_literals\nx = '\\u0041'\n"
    assert old_literals(text) == text
