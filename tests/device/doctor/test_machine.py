"""Processor, C library, memory and clock, from files and numbers as Linux gives them."""

import time
from pathlib import Path

import pytest

from relens.device.doctor.clock import ask_kernel, check_clock, installed_s, set_clock, synchronized
from relens.device.doctor.libc import check_libc, wheel_needs
from relens.device.doctor.memory import check_memory
from relens.device.doctor.processor import CPUINFO, check_processor, read_cpuinfo
from relens.spec import this_libc

ATOM = """processor : 0
model name\t: Intel(R) Atom(TM) Processor E3930 @ 1.30GHz
flags\t\t: fpu sse sse2 ht lm pni ssse3 cx16 sse4_1 sse4_2 movbe popcnt aes rdrand lahf_lm
"""
PENRYN = ATOM.replace(" sse4_2", "").replace(" popcnt", "")
PI_4 = "processor\t: 0\nBogoMIPS\t: 108.00\nFeatures\t: fp asimd evtstrm crc32 cpuid\n"
YEAR_S = 365.25 * 86400


def written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_a_deeplens_has_all_that_the_engines_need_without_avx(tmp_path: Path) -> None:
    found = check_processor(written(tmp_path / "cpuinfo", ATOM), "x86_64", 64)
    assert found.ok is True and "Atom" in found.text and found.text.endswith(": sse4_1"), found


def test_a_processor_that_is_too_old_is_told_with_what_it_lacks(tmp_path: Path) -> None:
    found = check_processor(written(tmp_path / "cpuinfo", PENRYN), "x86_64", 64)
    assert found.ok is False and "has no popcnt, sse4_2" in found.text and found.mend, found


def test_an_arm_board_is_known_by_its_features(tmp_path: Path) -> None:
    cpuinfo = written(tmp_path / "cpuinfo", PI_4)
    found = check_processor(cpuinfo, "aarch64", 64)
    assert found.ok is True and found.text.endswith(": asimd"), found


@pytest.mark.parametrize(("architecture", "bits"), [("armv7l", 32), ("aarch64", 32), ("riscv64", 64)])
def test_where_no_engine_runs_the_system_is_to_blame(tmp_path: Path, architecture: str, bits: int) -> None:
    found = check_processor(written(tmp_path / "cpuinfo", PI_4), architecture, bits)
    assert found.ok is False and f"{architecture} with a {bits}-bit Python" in found.text, found


def test_a_processor_that_tells_nothing_is_not_judged(tmp_path: Path) -> None:
    assert check_processor(tmp_path / "nothing", "x86_64", 64).ok is None
    assert check_processor(written(tmp_path / "cpuinfo", "processor: 0\n"), "x86_64", 64).ok is None


def test_this_machine_runs_the_tests_and_so_is_fine() -> None:
    assert read_cpuinfo(CPUINFO)[1] and check_processor().ok is True, check_processor()
    assert check_libc(this_libc(), wheel_needs()).ok is True


def package(folder: Path, name: str, *tags: str) -> None:
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "WHEEL").write_text("Wheel-Version: 1.0\n" + "".join(f"Tag: cp311-cp311-{tag}\n" for tag in tags))


def test_what_a_wheel_needs_is_the_least_of_its_tags(tmp_path: Path) -> None:
    package(tmp_path, "new", "manylinux_2_27_x86_64", "manylinux_2_28_x86_64")
    package(tmp_path, "old", "manylinux2014_aarch64")
    package(tmp_path, "both", "manylinux_2_17_x86_64.manylinux2014_x86_64")
    package(tmp_path, "pure", "any")
    assert wheel_needs([str(tmp_path)]) == {"new": (2, 27), "old": (2, 17), "both": (2, 17)}


def test_the_stock_system_of_a_deeplens_is_too_old_for_todays_wheels() -> None:
    needs = {"ai-edge-litert": (2, 27), "numpy": (2, 28), "pydantic_core": (2, 17)}
    found = check_libc("glibc 2.23", needs)
    assert found.ok is False and "2.23 is too old for ai-edge-litert, numpy, which needs 2.28" in found.text, found
    assert found.mend.endswith("-m pip install --force-reinstall ai-edge-litert numpy")
    assert check_libc("glibc 2.28", needs).ok is True
    assert check_libc("glibc 2.28", {}).ok is None


def test_versions_are_numbers_and_not_text() -> None:
    assert check_libc("glibc 2.9", {"a": (2, 17)}).ok is False
    assert check_libc("glibc 2.100", {"a": (2, 17)}).ok is True


def test_another_c_library_is_not_enough() -> None:
    assert check_libc(None, {"a": (2, 17)}).ok is False


def meminfo(path: Path, total_mb: float, free_mb: float) -> Path:
    kilobytes = {"MemTotal": total_mb * 1e6 / 1024, "MemFree": 1000, "MemAvailable": free_mb * 1e6 / 1024}
    return written(path / "meminfo", "".join(f"{key}:  {value:.0f} kB\n" for key, value in kilobytes.items()))


def test_memory_is_judged_by_what_is_available(tmp_path: Path) -> None:
    none = tmp_path / "no limit"
    assert check_memory(meminfo=meminfo(tmp_path, 1000, 350), limit=none).ok is True
    short = check_memory(meminfo=meminfo(tmp_path, 1000, 320), limit=none)
    assert short.ok is False and "320 MB are available, 339 are needed" in short.text, short


def test_an_agent_that_runs_has_its_memory_already(tmp_path: Path) -> None:
    assert check_memory(running=True, meminfo=meminfo(tmp_path, 1000, 160), limit=tmp_path / "none").ok is True
    assert check_memory(running=True, meminfo=meminfo(tmp_path, 1000, 140), limit=tmp_path / "none").ok is False


def test_a_bundle_that_takes_more_needs_more(tmp_path: Path) -> None:
    lines = meminfo(tmp_path, 2000, 1000)
    assert check_memory(400, meminfo=lines, limit=tmp_path / "none").ok is True
    assert check_memory(500, meminfo=lines, limit=tmp_path / "none").ok is False


def test_a_service_may_not_take_all_there_is_and_a_container_may_have_less(tmp_path: Path) -> None:
    assert check_memory(meminfo=meminfo(tmp_path, 440, 430), limit=tmp_path / "none").ok is False
    lines = meminfo(tmp_path, 4000, 3000)
    limited = check_memory(meminfo=lines, limit=written(tmp_path / "memory.max", "256000000\n"))
    assert limited.ok is False and "of 256 MB in all" in limited.text, limited
    assert check_memory(meminfo=lines, limit=written(tmp_path / "memory.max", "max\n")).ok is True


def test_memory_that_nobody_tells_is_not_judged(tmp_path: Path) -> None:
    assert check_memory(meminfo=tmp_path / "nothing").ok is None
    assert check_memory(meminfo=written(tmp_path / "meminfo", "MemTotal: 5 kB\n")).ok is None


def test_a_clock_before_the_installation_is_wrong_whatever_else_is_said() -> None:
    found = check_clock(0.0, 1.7e9, True)
    assert found.ok is False and found.text.startswith("1970-01-01 00:00 UTC") and found.mend, found
    assert check_clock(1.7e9 + 21 * YEAR_S, 1.7e9, True).ok is False


def test_a_clock_is_fine_when_a_time_server_keeps_it() -> None:
    told = {kept: check_clock(1.8e9, 1.7e9, kept).ok for kept in (True, False, None)}
    assert told == {True: True, False: False, None: None}


def test_the_kernels_answer_is_read_where_it_stands() -> None:
    answer = ask_kernel()
    if answer is None:
        pytest.skip("the kernel may not be asked here")
    assert answer.time_s == pytest.approx(time.time(), abs=2), "the fields are not where Linux has them"
    assert answer.precision_us >= 1 and synchronized() is not (answer.status & 0x40 != 0)


def test_the_clock_of_this_machine_is_later_than_the_installation() -> None:
    assert check_clock(time.time(), installed_s(), None).ok is None


def test_without_systemd_another_program_keeps_the_clock(tmp_path: Path) -> None:
    assert "chrony" in set_clock(tmp_path / "no systemd")
