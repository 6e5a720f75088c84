"""Engines that load, are missing, or break in the ways wheels break."""

import os
import sys
from pathlib import Path

from relens.device.doctor.apart import attempt
from relens.device.doctor.engines import PACKAGES, check_engine, check_engines
from relens.engines import BUILT_IN


def test_the_engines_here_are_the_engines_relens_has() -> None:
    assert set(PACKAGES) == set(BUILT_IN)


def test_litert_loads_here() -> None:
    (found,) = [one for one in check_engines() if one.text.startswith("litert")]
    assert found.ok is True and found.text.endswith(" loads"), found


def test_an_engine_that_is_not_installed_is_wrong_only_where_it_is_needed() -> None:
    needed, spare = (check_engine("other", "no-such-package-of-relens", need) for need in (True, False))
    assert (needed.ok, spare.ok) == (False, None)
    assert needed.mend == f"{sys.executable} -m pip install no-such-package-of-relens"


def test_a_wheel_for_another_libc_says_what_it_misses(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "ai_edge_litert.py").write_text('raise ImportError("version `GLIBC_2.34\' not found")\n')
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    found = check_engine("litert", "ai-edge-litert", True)
    assert found.ok is False and "GLIBC_2.34' not found" in found.text, found
    assert found.mend.endswith("--force-reinstall ai-edge-litert")


def test_a_wheel_for_another_processor_dies_alone(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "ai_edge_litert.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGILL)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    found = check_engine("litert", "ai-edge-litert", True)
    assert found.ok is False and "SIGILL: this processor lacks an instruction" in found.text, found


def test_whatever_a_process_does_is_a_result() -> None:
    assert attempt([sys.executable, "-c", "print(input())"], 20, "hello").said == "hello\n"
    assert attempt([sys.executable, "-c", "import time; time.sleep(60)"], 0.5).trouble == "nothing came within 0 s"
    assert attempt([sys.executable, "-c", "raise SystemExit(7)"], 20).trouble == "exit code 7"
    assert attempt(["/no/such/program"], 20).trouble == "/no/such/program: No such file or directory"
