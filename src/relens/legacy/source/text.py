"""The text of an old source file: its encoding, its tabs, its literals.

What is done here is done between tokens or to whole tokens, found by one regular expression for comments and strings;
so it needs neither Python 2's grammar nor Python 3's.
"""

import io
import re
import tokenize
from collections.abc import Iterator

from relens.errors import LegacyTrouble

TAB = 8  # Python 2 took a tab to the next multiple of 8 columns; Python 3 refuses to rely on it

# A string ends at the same character whatever its prefix: even in a raw one a backslash protects the quote.
_STRING = r"""(?P<prefix>(?<!\w)[uUbBrR]{0,2})(?P<body>'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"
    |'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
_COMMENT_OR_STRING = re.compile(rf"\#[^\n]*|{_STRING}", re.DOTALL | re.VERBOSE)
_UNICODE_ESCAPE = re.compile(r"\\(?:([uUN])|.)", re.DOTALL)
_UNICODE_LITERALS = re.compile(r"^from\s+__future__\s+import\s[^#\n]*\bunicode_literals\b", re.MULTILINE)


def unreadable(filename: str, line: int | None, reason: str) -> LegacyTrouble:
    """The error for a source that cannot be read, with the line where that is known."""
    where = filename if line is None else f"{filename}, line {line}"
    return LegacyTrouble(
        "RL-LEGACY-001",
        f"{where}: {reason}",
        hint=f"mend the line, or take the file again from where it was deployed: {filename}",
        details={"file": filename, "line": line},
    )


def decode(source: bytes, filename: str) -> str:
    r"""The text, by its encoding declaration or byte order mark, with `\n` at the end of every line.

    Raises:
        LegacyTrouble: (RL-LEGACY-001) an unknown encoding, or bytes that are not in it.
    """
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        text = source.decode(encoding)
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        reason = f"byte 0x{source[error.start]:02x} is not {error.encoding}, and no other encoding is declared"
        raise unreadable(filename, line, reason) from error
    except SyntaxError as error:  # an unknown encoding, or bytes in the first two lines that are not UTF-8
        raise unreadable(filename, 1, str(error.msg)) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def expand_tabs(text: str) -> str:
    """Leading tabs as Python 2 counted them, in blanks; lines that begin within a string stay as they are."""
    inside = {token.start() + newline.end() for token in _strings(text) for newline in re.finditer("\n", token[0])}
    lines, offset = [], 0
    for line in text.splitlines(keepends=True) if "\t" in text else [text]:
        lines.append(line if offset in inside else _expand(line))
        offset += len(line)
    return "".join(lines)


def old_literals(text: str) -> str:
    r"""String literals that mean the same to Python 3: `ur''`, and `'\user'`, which was no escape in a byte string."""
    unicode_literals = _UNICODE_LITERALS.search(text) is not None

    def translate(token: re.Match[str]) -> str:
        prefix, body = token["prefix"], token["body"]
        if prefix is None:
            return token[0]
        if prefix.lower() == "ur":
            return f"r{body}"
        if prefix == "" and not unicode_literals:
            return _UNICODE_ESCAPE.sub(lambda escape: f"\\{escape[0]}" if escape[1] else escape[0], body)
        return token[0]

    return _COMMENT_OR_STRING.sub(translate, text)


def _strings(text: str) -> Iterator[re.Match[str]]:
    return (token for token in _COMMENT_OR_STRING.finditer(text) if token["body"] is not None)


def _expand(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip(" \t\f"))]
    # A form feed begins the line anew, for Python 2 and 3 alike.
    return indent.rpartition("\f")[2].expandtabs(TAB) + line[len(indent) :]
