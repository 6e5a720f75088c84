"""Writing fails in the middle: what stood there before still does, and nothing else."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from relens.bundle import archive, open_bundle
from relens.bundle.archive import write_archive

FILES = {"manifest.json": b"{}", "model.tflite": bytes(100_000)}


def test_a_full_disk_leaves_the_old_bundle(tmp_path: Path) -> None:
    path = tmp_path / "a.relens"
    write_archive(path, FILES)
    before = path.read_bytes()
    script = (
        "import resource, sys; from pathlib import Path; from relens.bundle.archive import write_archive\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "try: write_archive(Path(sys.argv[1]), {'model.tflite': bytes(90_000)})\n"
        "except OSError as trouble: sys.exit(trouble.errno)"
    )
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, timeout=60, check=False)
    assert done.returncode == 27, done.stderr  # EFBIG
    assert {path.name: before} == {file.name: file.read_bytes() for file in tmp_path.iterdir()}


def test_a_killed_writer_leaves_the_old_bundle(tmp_path: Path) -> None:
    path = tmp_path / "a.relens"
    write_archive(path, FILES)
    before = path.read_bytes()
    script = (
        "import sys; from pathlib import Path; from relens.bundle.archive import write_archive\n"
        "while True: write_archive(Path(sys.argv[1]), {'model.tflite': bytes(5_000_000)})"
    )
    child = subprocess.Popen([sys.executable, "-c", script, path])
    deadline = time.monotonic() + 30
    while path.stat().st_size == len(before) and time.monotonic() < deadline:
        time.sleep(0.01)
    child.send_signal(signal.SIGKILL)
    child.wait(30)
    content = path.read_bytes()
    assert archive.unpacked(path, content) == {"model.tflite": bytes(5_000_000)}


def test_a_folder_in_the_way_is_left_alone(content: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.relens"
    path.mkdir()
    (path / "mine").write_text("mine")
    with pytest.raises(OSError, match=r"a\.relens"):
        content.write(path)
    assert [path] == list(tmp_path.iterdir())
    assert [path / "mine"] == list(path.iterdir())


def test_a_missing_folder_is_not_made(content: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        content.write(tmp_path / "nowhere" / "a.relens")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_that_is_no_file_error_leaves_nothing_either(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        write_archive(tmp_path / "a.relens", {"model.tflite": "text"})  # type: ignore[dict-item]
    assert list(tmp_path.iterdir()) == []


def test_a_failed_sync_leaves_nothing(content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="Input/output"):
        content.write(tmp_path / "a.relens")
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_unpacked_leaves_nothing(bundle_file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "not a folder"
    folder.write_text("a file")
    with pytest.raises(OSError, match="not a folder"):
        open_bundle(bundle_file, folder)
    assert [folder] == list(tmp_path.iterdir())


def test_opening_twice_into_one_folder_is_the_same_as_once(bundle_file: Path, tmp_path: Path) -> None:
    first, second = (open_bundle(bundle_file, tmp_path) for _ in range(2))
    assert first.model == second.model
    assert [first.model] == list(tmp_path.iterdir())
