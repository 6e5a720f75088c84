"""Shared objects that really are here, beside what other tools say of them."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from relens.kit.objects import SharedObject, is_object, read_object
from relens.kit.versions import version_of

NUMPY = next(Path(np.__file__).parent.glob("_core/_multiarray_umath*.so"))


@pytest.fixture(scope="module")
def numpy_core() -> SharedObject:
    return read_object(NUMPY.read_bytes(), NUMPY.name, "numpy.whl")


def test_libraries_and_symbols_are_those_that_the_loader_takes(numpy_core: SharedObject) -> None:
    said = subprocess.run(["ldd", str(NUMPY)], capture_output=True, text=True, check=True).stdout
    loaded = set(re.findall(r"^\s*(?:/\S*/)?(\S+)", said, re.M))
    assert numpy_core.libraries and set(numpy_core.libraries) <= loaded, (numpy_core.libraries, loaded)
    assert numpy_core.architecture == "x86_64" and numpy_core.asks


def test_the_newest_symbol_is_one_that_stands_in_the_file(numpy_core: SharedObject) -> None:
    versions = {version.decode() for version in re.findall(rb"GLIBC_2\.\d+(?:\.\d+)?", NUMPY.read_bytes())}
    newest = max(versions, key=lambda text: version_of(text.removeprefix("GLIBC_")))
    assert numpy_core.newest["GLIBC"].version == newest
    assert numpy_core.newest["GLIBC"].symbol.encode() in NUMPY.read_bytes()


def test_numpy_holds_code_for_more_than_a_deeplens_has(numpy_core: SharedObject) -> None:
    beyond = numpy_core.instructions.beyond(["sse4_2", "ssse3", "sse4_1", "popcnt", "pni"])
    assert beyond["avx2"] > 1000 and beyond["avx512f"] > 1000


def test_a_program_is_read_too() -> None:
    path = Path(sys.executable).resolve()
    assert is_object(path.read_bytes()[:4])
    assert read_object(path.read_bytes(), "python", "python.tar.gz").soname is None


@pytest.mark.parametrize("kept", [5, 64, 300, 5000])
def test_a_cut_file_is_refused_by_name(kept: int) -> None:
    with pytest.raises(ValueError, match=r"numpy\.whl: core\.so is damaged"):
        read_object(NUMPY.read_bytes()[:kept], "core.so", "numpy.whl")
