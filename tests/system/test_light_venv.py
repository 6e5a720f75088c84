"""The light install for real: an environment of its own, with the camera lock file and nothing else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.system
MOST_MB = 500


def megabytes(folder: Path) -> float:
    files = (Path(place) / name for place, _, names in os.walk(folder) for name in names)
    return sum(file.stat().st_size for file in files if not file.is_symlink()) / 1e6


def test_the_light_install_runs_a_bundle_and_stays_light(shapes: Any, tmp_path: Path, record_property: Any) -> None:
    import relens

    relens.package(shapes.graph, tmp_path / "m.relens", labels=("circle", "square", "cross"))
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    install = [venv / "bin/python", "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, "--requirement", ROOT / "requirements/camera.txt"], check=True)
    before = megabytes(venv)
    subprocess.run([*install, "--no-deps", ROOT], check=True)
    command = [venv / "bin/relens", "run", tmp_path / "m.relens", "--camera", shapes.calibration, "--fast"]
    done = subprocess.run(
        [*command, "--frames", "50", "--port", "0", "--json"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"] == 50
    listed = subprocess.run(
        [venv / "bin/python", "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    assert not any(heavy in listed.stdout for heavy in ("tensorflow", "keras", "openvino", "litert-quantizer"))
    record_property("light install", f"{before:.0f} MB of packages, relens {megabytes(venv) - before:.1f} MB")
    assert megabytes(venv) < MOST_MB, f"{megabytes(venv):.0f} MB"
