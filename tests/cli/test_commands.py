"""The command line as a user meets it: separate processes, exit codes, stdout for data, stderr for the rest."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.graph import Graph

COMMAND = Path(sys.executable).with_name("relens")


def relens(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    command = [str(COMMAND), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=environment, check=False, timeout=300)


@pytest.fixture(scope="module")
def place(shapes: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shapes project to work in."""
    folder = tmp_path_factory.mktemp("cli") / "shapes"
    shutil.copytree(shapes.folder, folder)
    return folder


def test_the_three_one_line_conversions_give_three_models(place: Path) -> None:
    for scheme, *more in (("dynamic",), ("float16",), ("int8", "--calibration", "calibration", "--scaling", "0..1")):
        done = relens("convert", "shapes.keras", "--scheme", scheme, *more, "-o", f"{scheme}.tflite", cwd=place)
        assert done.returncode == 0, done.stderr
        assert f"{scheme}.tflite" in done.stdout and "differ by at most" in done.stdout
    graphs = {scheme: Graph.read(place / f"{scheme}.tflite") for scheme in ("dynamic", "float16", "int8")}
    assert graphs["int8"].inputs[0].dtype == "int8" and graphs["float16"].inputs[0].dtype == "float32"


def test_the_well_known_wrong_snippet_is_refused_with_the_right_one(place: Path) -> None:
    done = relens("convert", "shapes.keras", "--scheme", "float16", "--io", "int8", "-o", "x.tflite", cwd=place)
    assert done.returncode == 2
    assert "RL-QUANT-001" in done.stderr and "--scheme int8 --calibration" in done.stderr
    assert not (place / "x.tflite").exists() and done.stdout == ""


def test_int8_without_pictures_is_refused(place: Path) -> None:
    done = relens("convert", "shapes.keras", "--scheme", "int8", "-o", "x.tflite", "--json", cwd=place)
    assert done.returncode == 2
    assert json.loads(done.stdout)["error"]["code"] == "RL-QUANT-002"


def test_ready_inputs_can_calibrate(place: Path) -> None:
    np.save(place / "inputs.npy", np.random.default_rng(0).random((8, 32, 32, 3), np.float32))
    done = relens(
        "convert", "shapes.keras", "--scheme", "int8", "--calibration", "inputs.npy", "-o", "n.tflite", "--json",
        cwd=place,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["float_left"] == []


def test_a_tflite_and_its_labels_become_a_bundle_that_verifies_and_runs(place: Path) -> None:
    done = relens("package", "shapes.tflite", "--labels", "labels.txt", "-o", "m.relens", cwd=place)
    assert done.returncode == 0, done.stderr
    assert relens("verify", "m.relens", cwd=place).returncode == 0
    done = relens("run", "m.relens", "--camera", "calibration", "--fast", "--frames", "40", "--port", "0", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "40 frames" in done.stdout and "http://127.0.0.1:" in done.stderr


def test_labels_that_do_not_fit_are_refused(place: Path) -> None:
    (place / "two.txt").write_text("a\nb\n")
    done = relens("package", "shapes.tflite", "--labels", "two.txt", "-o", "bad.relens", cwd=place)
    assert done.returncode == 2 and "2 labels" in done.stderr and not (place / "bad.relens").exists()


def test_build_prints_candidates_verdict_and_the_next_command(place: Path) -> None:
    done = relens("build", "--seconds", "0.2", cwd=place)
    assert done.returncode == 0, done.stderr
    for words in ("float32 on litert", "int8 on openvino", "chosen:", "next: relens run"):
        assert words in done.stdout, done.stdout
    assert (place / "shapes.relens").exists()


def test_a_missed_goal_exits_with_3_and_reasons_for_machines(place: Path) -> None:
    text = (place / "relens.toml").read_text()
    (place / "missed.toml").write_text(text + "max_size_mb = 0.001\n")
    done = relens("build", "missed.toml", "--seconds", "0.1", "-o", "missed.relens", "--json", cwd=place)
    assert done.returncode == 3
    values = json.loads(done.stdout)
    assert values["error"]["code"] == "RL-GOAL-001" and values["chosen"] is None
    assert all("missed: size" in option["reason"] for option in values["options"])
    assert relens("build", "missed.toml", "--seconds", "0.1", "-o", "missed.relens", cwd=place).returncode == 3


def test_a_typo_in_the_project_says_did_you_mean(place: Path) -> None:
    (place / "typo.toml").write_text((place / "relens.toml").read_text().replace("scaling", "scalling"))
    done = relens("build", "typo.toml", cwd=place)
    assert done.returncode == 2 and "did you mean `scaling`" in done.stderr


def test_inspect_tells_what_a_model_is_and_asks_of_a_device(place: Path) -> None:
    done = relens("inspect", "shapes.tflite", "--device", "deeplens", cwd=place)
    assert done.returncode == 0, done.stderr
    for words in ("multiply-adds", "CONV_2D", "AWS DeepLens", "no VNNI"):
        assert words in done.stdout, done.stdout
    for words in ("estimate, not measured", "glibc 2.23", "2688x1520", "disk: about"):
        assert words in done.stdout, done.stdout
    there = json.loads(relens("inspect", "shapes.tflite", "--device", "deeplens", "--json", cwd=place).stdout)["device"]
    assert there["latency"]["measured"] is False and any("Intel ARK" in source for source in there["sources"])
    facts = json.loads(relens("inspect", "shapes.tflite", "--json", cwd=place).stdout)
    assert facts["inputs"][0]["shape"] == [1, 32, 32, 3] and facts["macs"] > 0


def test_init_writes_a_project_that_build_reads(place: Path, tmp_path: Path) -> None:
    done = relens("init", place / "shapes.keras", tmp_path)
    assert done.returncode == 0, done.stderr
    again = relens("init", place / "shapes.keras", tmp_path)
    assert again.returncode == 2 and "exists already" in again.stderr
    done = relens("build", tmp_path)
    assert done.returncode == 1 and "names no pictures" in done.stderr


def test_verify_refuses_a_changed_bundle(place: Path) -> None:
    relens("package", "shapes.tflite", "--labels", "labels.txt", "-o", "whole.relens", cwd=place)
    content = bytearray((place / "whole.relens").read_bytes())
    content[len(content) // 2] ^= 1
    (place / "changed.relens").write_bytes(content)
    done = relens("verify", "changed.relens", cwd=place)
    assert done.returncode == 1 and "RL-BUNDLE" in done.stderr


def test_a_bundle_is_not_a_model_and_says_so(place: Path) -> None:
    done = relens("inspect", "labels.txt", cwd=place)
    assert done.returncode == 1 and "labels.txt" in done.stderr and "hint" in done.stderr


def test_doctor_shows_the_machine_and_its_parts() -> None:
    values = json.loads(relens("doctor", "--json").stdout)
    assert "litert" in values["engines"] and values["parts"]["workstation"]["keras"]
