"""The same input gives the same bytes: at another time, in another folder, for another user."""

import hashlib
import os
import subprocess
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.bundle import Bundle
from relens.bundle.golden import golden_files
from relens.bundle.manifest import Manifest
from relens.pipeline.package import package


def test_two_folders_and_two_times_give_the_same_bytes(
    content: Any, bundle_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    time.sleep(2.1)  # a zip counts in steps of two seconds
    far = time.time() + 400 * 86400
    monkeypatch.setattr(time, "time", lambda: far)
    monkeypatch.setattr(time, "localtime", lambda *_: datetime.fromtimestamp(far).timetuple())
    other = tmp_path / "ein Ordner" / "anders.relens"
    other.parent.mkdir()
    content.write(other)
    assert bundle_file.read_bytes() == other.read_bytes()


SCRIPT = """
import locale, os, sys, time
os.umask(int(sys.argv[1], 8))
time.tzset()
locale.setlocale(locale.LC_ALL, "")
from relens.pipeline.package import package
folder, output = sys.argv[2:]
package(f"{folder}/shapes.tflite", output, labels=("circle", "square", "cross"), pictures=f"{folder}/calibration")
"""


def test_another_umask_zone_locale_and_hash_seed_give_the_same_bytes(shapes: Any, tmp_path: Path) -> None:
    first, second = tmp_path / "a.relens", tmp_path / "b.relens"
    package(shapes.graph, first, labels=("circle", "square", "cross"), pictures=shapes.calibration)
    outside = {"TZ": "Asia/Kathmandu", "LC_ALL": "C", "PYTHONHASHSEED": "12345", "PYTHONUTF8": "0", "HOME": "/"}
    # With umask 0277 a file comes out 0400: whoever writes it may not even write it a second time.
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "0277", shapes.folder, second],
        env={**os.environ, **outside},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert first.read_bytes() == second.read_bytes()
    assert second.stat().st_mode & 0o777 == 0o400


def test_the_bytes_are_those_that_a_plain_zip_library_writes(bundle_file: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(bundle_file) as archive:
        assert archive.testzip() is None
        files = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    assert (tmp_path / "other.zip").read_bytes() == bundle_file.read_bytes()


def test_values_are_those_that_numpy_writes(content: Any, tmp_path: Path) -> None:
    names = [tensor.name for tensor in content.model.outputs]
    (golden, _) = content.golden
    np.save(tmp_path / "numpy.npy", golden.expected[names[0]])
    assert (tmp_path / "numpy.npy").read_bytes() == golden_files([golden], names)["golden/000/output-0.npy"]


def test_the_manifest_reads_and_writes_to_the_same_bytes(bundle: Bundle, bundle_file: Path) -> None:
    with zipfile.ZipFile(bundle_file) as archive:
        content = archive.read("manifest.json")
    assert content == bundle.manifest.to_bytes()
    assert bundle.manifest == Manifest.from_bytes(content, bundle_file)


def test_no_folder_of_this_machine_is_in_it(shapes: Any, tmp_path: Path) -> None:
    package(shapes.graph, tmp_path / "a.relens", pictures=shapes.calibration)
    content = (tmp_path / "a.relens").read_bytes()
    assert b"shapes.tflite" in content
    for folder in (shapes.folder, tmp_path, Path.cwd(), Path.home()):
        assert f"{folder}/".encode() not in content, folder


def test_another_label_gives_another_hash(content: Any, bundle: Bundle, tmp_path: Path) -> None:
    content.but(labels=("circle", "square", "Cross")).write(tmp_path / "a.relens")
    assert hashlib.sha256((tmp_path / "a.relens").read_bytes()).hexdigest() != bundle.sha256
