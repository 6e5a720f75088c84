"""Objects against a device; every reason to refuse one, and none."""

from dataclasses import replace

import pytest

from relens.kit.instructions import Instructions
from relens.kit.judge import judge
from relens.kit.objects import Needed, SharedObject
from relens.spec import device

DEEPLENS = device("deeplens")
NONE = Instructions({}, {}, False)
WIDE = Instructions({"avx2": 500, "sse4_2": 3}, {"avx2": (0x40,), "sse4_2": (0x90,)}, False)
FITS = SharedObject("a/core.so", "a-1.whl", "x86_64", None, ("libc.so.6", "libm.so.6"), {}, NONE, False)


def needing(version: str, symbol: str = "powf", library: str = "libm.so.6") -> SharedObject:
    needed = Needed(symbol, version, library)
    return replace(FITS, newest={needed.family: needed})


def test_what_fits_is_not_refused_and_the_newest_needs_are_told() -> None:
    judged = judge([needing("GLIBC_2.17"), needing("GLIBCXX_3.4.19"), needing("GLIBC_2.4")], DEEPLENS)
    assert judged.fits and (judged.glibc, judged.libstdcxx, judged.objects) == ("2.17", "3.4.19", 3)
    assert "glibc 2.17" in str(judged)


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (needing("GLIBC_2.27"), "needs powf@GLIBC_2.27 of libm.so.6, and the glibc of Ubuntu 16.04 ends at GLIBC_2.23"),
        (needing("GLIBCXX_3.4.22"), "the libstdc++ of Ubuntu 16.04 ends at GLIBCXX_3.4.21"),
        (replace(FITS, architecture="aarch64"), "is for aarch64, and AWS DeepLens is x86_64"),
        (replace(FITS, libraries=("libGL.so.1",)), "loads libGL.so.1, which is neither in the kit nor in every system"),
        (replace(FITS, instructions=WIDE), "uses avx2 (500 instructions, the first at 0x40)"),
    ],
)
def test_what_would_not_run_is_refused_by_file_and_reason(one: SharedObject, words: str) -> None:
    judged = judge([FITS, one], DEEPLENS)
    (refusal,) = judged.refusals
    assert refusal.object == "a-1.whl: a/core.so" and words in str(refusal), str(refusal)
    assert not judged.fits and "REFUSED" in str(judged)


def test_2_9_is_older_than_2_23() -> None:
    assert judge([needing("GLIBC_2.9")], DEEPLENS).fits


def test_wide_code_behind_a_question_is_told_and_not_refused() -> None:
    judged = judge([replace(FITS, instructions=WIDE, asks=True)], DEEPLENS)
    assert judged.fits and judged.dispatched == (("a-1.whl: a/core.so", ("avx2",)),)


def test_a_library_that_asks_answers_for_those_that_load_it() -> None:
    asking = replace(FITS, name="a.libs/libutil.so", soname="libutil.so.5", asks=True)
    codec = replace(FITS, instructions=WIDE, libraries=("libutil.so.5", "libc.so.6"))
    assert judge([asking, codec], DEEPLENS).fits
    assert not judge([replace(asking, asks=False), codec], DEEPLENS).fits


def test_a_few_odd_instructions_are_data_between_functions() -> None:
    few = Instructions({"avx512f": 19}, {"avx512f": (0,)}, False)
    assert judge([replace(FITS, instructions=few)], DEEPLENS).fits


def test_a_plug_in_for_other_hardware_stays_idle() -> None:
    plug_in = replace(FITS, name="a/vendors/libPlugin.so", libraries=("libQnn.so",))
    judged = judge([FITS, plug_in], DEEPLENS)
    assert judged.fits and [one.object for one in judged.idle] == ["a-1.whl: a/vendors/libPlugin.so"]
    linking = replace(FITS, libraries=("libPlugin.so",))
    assert not judge([linking, plug_in], DEEPLENS).fits


def test_an_engines_own_plug_in_does_not() -> None:
    engine = replace(FITS, name="openvino/libs/libopenvino_intel_cpu_plugin.so", libraries=("libtbb.so.12",))
    assert not judge([FITS, engine], DEEPLENS).fits


def test_a_library_that_the_kit_brings_answers_for_its_symbols() -> None:
    own = replace(FITS, name="a.libs/libstdc++.so.6", soname="libstdc++.so.6")
    assert judge([own, needing("GLIBCXX_3.4.30", library="libstdc++.so.6")], DEEPLENS).fits
    assert not judge([needing("GLIBCXX_3.4.30", library="libstdc++.so.6")], DEEPLENS).fits


@pytest.mark.parametrize("version", ["CXXABI_1.3.11", "GCC_7.0.0"])
def test_the_compilers_libraries_are_asked_too(version: str) -> None:
    assert not judge([needing(version, library="libgcc_s.so.1")], DEEPLENS).fits


def test_what_a_profile_does_not_say_is_not_asked() -> None:
    silent = DEEPLENS.model_copy(update={"system": DEEPLENS.system.model_copy(update={"libc": None})})
    assert judge([needing("GLIBC_2.40")], silent).fits
