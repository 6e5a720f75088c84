import ctypes
import struct
from pathlib import Path

import pytest
from ai_edge_litert import interpreter

from relens.engines.elf import Library
from relens.engines.xnnpack import LIBRARY

WHEEL = Path(interpreter.__file__).with_name(LIBRARY)
pytestmark = pytest.mark.skipif(not WHEEL.exists(), reason="the wheel of LiteRT here has no such library")


def test_addresses_are_those_the_dynamic_linker_finds() -> None:
    exported = ("Wrapped_PyInit__pywrap_litert_interpreter_wrapper", "Wrapped_PyInit__pywrap_litert_converter")
    loaded = ctypes.CDLL(str(WHEEL))
    found = {name: ctypes.cast(getattr(loaded, name), ctypes.c_void_p).value or 0 for name in exported}
    library = Library.read(WHEEL)
    told = {name: library.symbols[name].address for name in exported}
    assert found[exported[0]] - found[exported[1]] == told[exported[0]] - told[exported[1]]
    for name in exported:
        symbol = library.symbols[name]
        assert symbol.is_function
        assert library.bytes_of(symbol) == ctypes.string_at(found[name], symbol.size), name


def test_variables_without_content_lie_in_the_zeroed_part() -> None:
    library = Library.read(WHEEL)
    config = library.symbols["hardware_config"]
    start, size = library.zeroed
    assert start <= config.address and config.address + config.size <= start + size
    assert library.bytes_of(config) == b""


@pytest.mark.parametrize("length", [0, 3, 64, 10_000, 1_000_000])
def test_a_library_cut_short_is_refused(length: int, tmp_path: Path) -> None:
    (tmp_path / "short.so").write_bytes(WHEEL.read_bytes()[:length])
    with pytest.raises(ValueError, match="cut short"):
        Library.read(tmp_path / "short.so")


def test_a_library_without_symbol_table_is_refused(tmp_path: Path) -> None:
    content = bytearray(WHEEL.read_bytes())
    sections, count = struct.unpack_from("<Q", content, 0x28)[0], struct.unpack_from("<H", content, 0x3C)[0]
    for place in range(sections + 4, sections + 4 + 64 * count, 64):
        if struct.unpack_from("<I", content, place)[0] == 2:
            struct.pack_into("<I", content, place, 1)
    (tmp_path / "stripped.so").write_bytes(content)
    with pytest.raises(ValueError, match="stripped"):
        Library.read(tmp_path / "stripped.so")


def test_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.so").write_bytes(b"not a library " * 100)
    with pytest.raises(ValueError, match="no little-endian 64-bit ELF"):
        Library.read(tmp_path / "x.so")
