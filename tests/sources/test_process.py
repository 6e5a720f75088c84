import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from relens.errors import BadModel
from relens.sources import Limits, import_model
from relens.sources.failure import decisive_line, explain
from relens.sources.process import Ended, run_limited
from relens.sources.request import Request

GENEROUS = Limits(timeout_s=60, memory_mb=4096)


def run(code: str, folder: Path, limits: Limits = GENEROUS) -> Ended:
    return run_limited([sys.executable, "-c", textwrap.dedent(code)], folder=folder, limits=limits)


def running(marker: str) -> list[str]:
    """Command lines of processes that mention the marker."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = file.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if marker in line and file.parent.name != str(os.getpid()):
            found.append(line)
    return found


def until(condition, timeout_s: float = 20) -> bool:
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_both_streams_are_kept_and_none_is_shown(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ended = run("import os; os.write(1, b'out '); os.write(2, b'err')", tmp_path)
    assert (ended.returncode, ended.broke, ended.log) == (0, None, "out err")
    assert capfd.readouterr() == ("", "")


def test_a_child_that_takes_too_long_is_stopped_with_all_it_started(tmp_path: Path) -> None:
    code = f"""
        import subprocess, sys, time
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", {str(tmp_path)!r}])
        time.sleep(60)
    """
    began = time.monotonic()
    ended = run(code, tmp_path, Limits(timeout_s=1))
    assert (ended.returncode, ended.broke) == (-signal.SIGKILL, "time")
    assert time.monotonic() - began < 5
    assert until(lambda: not running(str(tmp_path))), running(str(tmp_path))


def test_memory_counts_what_the_child_started_too(tmp_path: Path) -> None:
    code = """
        import subprocess, sys, time
        subprocess.run([sys.executable, "-c", "import time; x = bytearray(b'x') * 2**28; time.sleep(60)"])
    """
    ended = run(code, tmp_path, Limits(timeout_s=60, memory_mb=150))
    assert (ended.returncode, ended.broke) == (-signal.SIGKILL, "memory")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGILL, signal.SIGKILL])
def test_a_child_that_dies_of_a_signal_is_reported_with_what_to_do(tmp_path: Path, number: signal.Signals) -> None:
    ended = run(f"import os; print('at layer 3', flush=True); os.kill(os.getpid(), {int(number)})", tmp_path)
    assert ended.returncode == -number
    error = explain(ended, "TensorFlow", Request("Keras", "net.h5"), tmp_path, GENEROUS)
    assert error.code == "RL-SOURCE-005"
    assert error.message == (
        f"TensorFlow died of {number.name} while importing net.h5 (Keras); its last words: at layer 3"
    )
    expected = {signal.SIGILL: "AVX", signal.SIGKILL: "memory", signal.SIGSEGV: "SavedModel"}
    assert expected[number] in error.hint


def test_the_decisive_line_is_the_exception_not_the_noise_around_it() -> None:
    log = """W0000 00:00 flatbuffer_helpers.cc:364] Ignored output_format.
    Traceback (most recent call last):
      File "x.py", line 3, in <module>
    ValueError: bad layer conv_3
    I0000 00:00 cleaning up"""
    assert decisive_line(log) == "ValueError: bad layer conv_3"
    fatal = "F0000 00:00 mlir.cc:12] Check failed: x != nullptr"
    assert decisive_line(f"{fatal}\n{log}") == fatal
    assert decisive_line("\n") == "none"


def test_an_import_over_its_time_is_refused(models: Path) -> None:
    with pytest.raises(BadModel) as caught:
        import_model(models / "plain.keras", limits=Limits(timeout_s=0.5))
    assert caught.value.code == "RL-SOURCE-003"
    assert "plain.keras (Keras) took more than 0.5 s" in caught.value.message


def test_an_import_over_its_memory_is_refused(models: Path) -> None:
    with pytest.raises(BadModel) as caught:
        import_model(models / "plain.keras", limits=Limits(memory_mb=150))
    assert caught.value.code == "RL-SOURCE-004"
    assert "150 MB" in caught.value.message


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_stays_behind_when_the_parent_is_ended(models: Path, tmp_path: Path, number: signal.Signals) -> None:
    # Children carry their folder, which lies in tmp_path, on their command line.
    code = (
        f"from pathlib import Path; import relens.sources as s; s.import_model(Path({str(models / 'plain.keras')!r}))"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env={**os.environ, "TMPDIR": str(tmp_path)}, stderr=subprocess.DEVNULL
    )
    assert until(lambda: bool(running(f"relens.sources.child {tmp_path}")))
    parent.send_signal(number)
    assert parent.wait(20) == -number
    assert until(lambda: not running(f"relens.sources.child {tmp_path}"))
    if number == signal.SIGINT:
        assert list(tmp_path.iterdir()) == []
