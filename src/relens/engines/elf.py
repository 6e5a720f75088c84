"""Names and addresses in a 64-bit ELF library: what `nm` shows, where there is no `nm`."""

import struct
from dataclasses import dataclass, field
from pathlib import Path

_HEADER = struct.Struct("<4sBB10sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_SYMBOL_TABLE, _NO_BITS = 2, 8  # section types
_ALLOCATED, _THREAD_LOCAL = 0x2, 0x400  # section flags
_OBJECT, _FUNCTION = 1, 2  # symbol types


@dataclass(frozen=True)
class Symbol:
    """A function, or an object in memory. address: bytes from where the library is loaded; size: bytes."""

    address: int
    size: int
    is_function: bool


@dataclass(frozen=True)
class Library:
    """A library's symbol table, local symbols too.

    zeroed: address and size of its zero-initialized variables (`.bss`).
    """

    symbols: dict[str, Symbol]
    zeroed: tuple[int, int]
    _code: tuple[tuple[int, int, int], ...] = field(repr=False)
    _content: bytes = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "Library":
        """Read a library's file (System V ABI, AMD64 supplement; gABI chapters 4 and 5).

        Raises:
            ValueError: when it is no little-endian 64-bit ELF file, is cut short, or is stripped of its symbol table.
        """
        content = path.read_bytes()
        try:
            sections = _sections(content)
            tables = [section for section in sections if section[1] == _SYMBOL_TABLE]
            if not tables:
                raise ValueError("it is stripped: there is no symbol table")
            zeroed = max(
                (
                    (size, address)
                    for _, kind, flags, address, _, size, *_ in sections
                    if kind == _NO_BITS and flags & _ALLOCATED and not flags & _THREAD_LOCAL
                ),
                default=(0, 0),
            )
            symbols = _symbols(content, tables[0], sections[tables[0][6]])
        except (struct.error, IndexError) as trouble:
            raise ValueError(f"it is cut short: {trouble}") from None
        code = tuple((s[3], s[4], s[5]) for s in sections if s[2] & _ALLOCATED and s[1] != _NO_BITS)
        return cls(symbols, (zeroed[1], zeroed[0]), code, content)

    def bytes_of(self, symbol: Symbol) -> bytes:
        """What the file holds at a symbol; empty where it holds nothing."""
        for address, offset, size in self._code:
            if address <= symbol.address < address + size:
                start = offset + symbol.address - address
                return self._content[start : start + symbol.size]
        return b""


def _sections(content: bytes) -> list[tuple[int, ...]]:
    """Rows of the section table: name, type, flags, address, offset, size, link, ..."""
    magic, bits, order, *_, entry_size, count, _ = _HEADER.unpack_from(content)
    if (magic, bits, order, entry_size) != (b"\x7fELF", 2, 1, _SECTION.size):
        raise ValueError("it is no little-endian 64-bit ELF file")
    table = int.from_bytes(content[40:48], "little")
    return [_SECTION.unpack_from(content, table + number * _SECTION.size) for number in range(count)]


def _symbols(content: bytes, table: tuple[int, ...], names: tuple[int, ...]) -> dict[str, Symbol]:
    text = content[names[4] : names[4] + names[5]]
    found = {}
    for row in range(table[4], table[4] + table[5], _SYMBOL.size):
        name, info, _, section, address, size = _SYMBOL.unpack_from(content, row)
        if section and info & 0xF in (_OBJECT, _FUNCTION):
            end = text.find(b"\0", name)
            found[text[name:end].decode("ascii", "replace")] = Symbol(address, size, info & 0xF == _FUNCTION)
    return found
