"""What a proof claims, from answers that were made up; real emulated runs are in tests/system."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.device.witness import ABSENT
from relens.errors import BadConfig, DeviceTrouble
from relens.kit.emulator import Emulator
from relens.kit.proof import Answered, Proof, compared, into_report, prove
from relens.spec import device

DEEPLENS = device("deeplens")
EMULATOR = Emulator("true", "Denverton")
FACTS: dict[str, Any] = {
    "bundle": "ab" * 32, "engine": "litert 1.4.0, XNNPACK", "precision": "int8", "checks": [], "golden": 1, "live": 1,
    "libc": "glibc 2.23", "absent": list(ABSENT), "loaded": [], "predictions": [],
}  # fmt: skip
ANSWERS = {"golden/0/scores": np.array([0.25, 0.75], np.float32), "live/0/scores": np.array([0.5, 0.5], np.float32)}


def proof(there: Answered | str, precision: str = "int8") -> Proof:
    here = Answered({**FACTS, "precision": precision}, ANSWERS, 1.0)
    return compared(DEEPLENS, EMULATOR, Path("flowers.relens"), "a kit", 1, here, there)


def answered(scores: list[float], **facts: Any) -> Answered:
    return Answered({**FACTS, **facts}, {**ANSWERS, "live/0/scores": np.array(scores, np.float32)}, 9.0)


def test_the_same_answers_prove_it() -> None:
    found = proof(answered([0.5, 0.5]))
    assert found.holds and (found.outputs, found.differing, found.worst) == (2, 0, 0.0)
    assert "all 2 outputs the same to the bit" in repr(found)
    found.raise_if_not()


def test_int8_has_to_be_the_same_to_the_bit_and_float_nearly() -> None:
    off = float(np.float32(0.5) + np.float32(6e-8))
    exact, nearly = proof(answered([0.5, off])), proof(answered([0.5, off], precision="float32"), "float32")
    assert not exact.holds and exact.differing == 1 and "1 of 2 int8 outputs are not the same to the bit" in repr(exact)
    assert nearly.holds and 0 < nearly.worst < 1e-6
    assert not proof(answered([0.5, 0.6], precision="float32"), "float32").holds
    with pytest.raises(DeviceTrouble, match="RL-KIT-007"):
        exact.raise_if_not()


@pytest.mark.parametrize(
    ("there", "words"),
    [
        (answered([0.5]), "not the same to the bit"),
        (answered([0.5, float("nan")]), "not the same to the bit"),
        (Answered(FACTS, {"golden/0/scores": ANSWERS["golden/0/scores"]}, 1.0), "not the same to the bit"),
        (Answered(FACTS, {**ANSWERS, "live/1/scores": np.zeros(2, np.float32)}, 1.0), "answered other frames"),
        (answered([0.5, 0.5], loaded=["tensorflow"]), "it loaded tensorflow, which a camera has not"),
        (
            answered(
                [0.5, 0.5], checks=[{"name": "prediction", "passed": False, "expected": "same", "found": "other"}]
            ),
            "prediction: expected same, found other",
        ),
        (answered([0.5, 0.5], absent=["keras"]), "tensorflow can be imported, which a camera has not"),
        (answered([0.5, 0.5], predictions=[{"kind": "classes"}]), "what was decoded from the same outputs differs"),
        (answered([0.5, 0.5], live=0), "it answered 0 live frames of 1"),
        ("it died of illegal instruction, File x", "it died of illegal instruction"),
    ],
)
def test_everything_else_does_not(there: Answered | str, words: str) -> None:
    for precision in ("int8", "float32"):
        found = proof(there, precision)
        assert precision != "int8" or not found.holds
        assert precision != "int8" or words in repr(found), repr(found)


def test_a_run_without_frames_proves_nothing() -> None:
    nothing = Answered({**FACTS, "golden": 0, "live": 0}, {}, 1.0)
    assert not compared(DEEPLENS, EMULATOR, Path("f.relens"), "", 1, nothing, nothing).holds


def test_a_proof_goes_beside_the_bundle_and_into_its_report(tmp_path: Path) -> None:
    bundle = tmp_path / "flowers.relens"
    assert [one.name for one in into_report(proof(answered([0.5, 0.5])), bundle)] == ["flowers.proof.json"]
    (tmp_path / "flowers.report.json").write_text('{"name": "flowers"}')
    (tmp_path / "flowers.report.html").write_text("<p>one</p><!--proof--><!--/proof--><p>two</p>")
    for again in range(2):
        into_report(replace(proof(answered([0.5, 0.5])), libc=f"glibc <{again}>"), bundle)
    into_report(replace(proof("it died of illegal instruction"), device="other"), bundle)
    values = json.loads((tmp_path / "flowers.report.json").read_text())
    assert values["name"] == "flowers" and {key: one["holds"] for key, one in values["proofs"].items()} == {
        "deeplens": True, "other": False,
    }  # fmt: skip
    page = (tmp_path / "flowers.report.html").read_text()
    assert page.startswith("<p>one</p>") and page.endswith("<p>two</p>")
    assert page.count("on an emulated deeplens") == 1 and page.count("Not proven</b> on an emulated other") == 1
    assert "glibc &lt;1&gt;" in page and "glibc &lt;0&gt;" not in page


def test_what_cannot_be_emulated_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfig, match=r"RL-KIT-005.*aarch64"):
        prove(tmp_path / "x.relens", device("raspberry-pi-5"))
    silent = DEEPLENS.model_copy(update={"emulation": DEEPLENS.emulation.model_copy(update={"cpu": None})})
    with pytest.raises(BadConfig, match=r"RL-KIT-005.*which processor"):
        Emulator.of(silent)
    with pytest.raises(BadConfig, match=r"RL-KIT-005.*no root file system"):
        Emulator.of(DEEPLENS, tmp_path)


def test_a_root_whose_loader_leads_out_of_it_is_refused(tmp_path: Path) -> None:
    for folder in ("lib", "lib64"):
        (tmp_path / folder).mkdir()
    (tmp_path / "lib64/ld-linux-x86-64.so.2").symlink_to("/lib/x86_64-linux-gnu/ld-2.23.so")
    with pytest.raises(BadConfig) as refused:
        Emulator.of(DEEPLENS, tmp_path)
    assert refused.value.hint.startswith("ln -sf ../lib/x86_64-linux-gnu/ld-2.23.so ")
