"""Whose kernels an option is scored on: this machine's, or the device's, emulated."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import relens
from relens.bundle import sampled
from relens.engines.kernels import NATIVE, Choice, choice
from relens.engines.limited import LimitedEngine
from relens.errors import EngineTrouble
from relens.graph import Graph
from relens.measure.validation import load_validation
from relens.pipeline import trial
from relens.pipeline.build import Built
from relens.pipeline.option import Option
from relens.pipeline.trial import Bench
from relens.quantize import Candidate, quantize
from relens.spec import Device, DeviceSpec, Goals, RecipeSpec, device, this_machine
from relens.vision import Preprocessor, VisionModel, frames_from

DEEPLENS = device("deeplens")
HERE = this_machine()
emulates = pytest.mark.skipif(
    choice(DEEPLENS) != Choice("sse4.1", True, True), reason="this machine cannot emulate the kernels of a DeepLens"
)


def with_sets(*sets: str, like: Device = HERE) -> Device:
    return like.model_copy(update={"instruction_sets": sets, "name": "another"})


WITHOUT_VNNI = with_sets(*(name for name in HERE.instruction_sets if "vnni" not in name))
WITH_VNNI = with_sets(*WITHOUT_VNNI.instruction_sets, "avx512f", "avx512_vnni")
NOT_EMULATED = with_sets("sse", "sse2", like=DEEPLENS)
"""A processor of before 2008, whose kernels are not among those known how to emulate; it saturates too."""


@pytest.fixture(scope="module")
def candidates(shapes: Any) -> dict[str, Candidate]:
    project = relens.load(shapes.project)
    graph = Graph.read(shapes.graph)
    prepare = Preprocessor(project.input, graph.inputs[0])
    samples = [{graph.inputs[0].name: prepare(frame).tensor} for frame in frames_from(shapes.calibration)]
    return {scheme: quantize(graph, scheme, samples=samples) for scheme in ("float32", "int8")}


def bench(shapes: Any, folder: Path, target: Device = DEEPLENS) -> Bench:
    project = relens.load(shapes.project)
    validation = load_validation(project.data, ("circle", "square", "cross"))
    assert validation is not None
    return Bench(project.input, project.output, validation, target, ("openvino",), 1, folder, 0.1)


@emulates
@pytest.mark.parametrize("here", [WITHOUT_VNNI, WITH_VNNI], ids=["saturates", "VNNI"])
def test_integers_on_openvino_are_loaded_on_the_kernels_of_the_device(
    here: Device, candidates: dict[str, Candidate], shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "this_machine", lambda: here)
    found = trial._load(candidates["int8"], "openvino", bench(shapes, tmp_path))
    assert found.refused is None and found.kernels == "sse4.1"
    assert found.report is not None and any("sse42" in kernel for kernel in found.report.kernels)


@pytest.mark.parametrize(("scheme", "engine"), [("int8", "litert"), ("float32", "openvino"), ("float32", "litert")])
def test_what_is_the_same_on_any_kernels_is_loaded_here(
    scheme: str, engine: str, candidates: dict[str, Candidate], shapes: Any, tmp_path: Path
) -> None:
    found = trial._load(candidates[scheme], engine, bench(shapes, tmp_path))
    assert found.refused is None and found.kernels == NATIVE and found.report is not None


def test_for_this_machine_nothing_is_emulated(candidates: dict[str, Candidate], shapes: Any, tmp_path: Path) -> None:
    found = trial._load(candidates["int8"], "openvino", bench(shapes, tmp_path, HERE))
    assert found.refused is None and found.kernels == NATIVE


def test_what_saturates_there_only_and_cannot_be_emulated_is_refused(
    candidates: dict[str, Candidate], shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = bench(shapes, tmp_path, NOT_EMULATED)
    monkeypatch.setattr(trial, "this_machine", lambda: WITH_VNNI)
    assert trial._load(candidates["int8"], "openvino", there).refused == (
        "not measured for another: its int8 arithmetic saturates there (no VNNI), "
        "and this machine cannot show by how much"
    )
    assert trial._load(candidates["float32"], "openvino", there).refused is None
    monkeypatch.setattr(trial, "this_machine", lambda: WITHOUT_VNNI)
    found = trial._load(candidates["int8"], "openvino", there)
    assert found.refused is None and found.kernels == NATIVE


def test_an_engine_that_will_not_be_limited_counts_as_not_emulated(
    candidates: dict[str, Candidate], shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> LimitedEngine:
        raise EngineTrouble("RL-ENGINE-004", "openvino chose jit_avx2 all the same", hint="measure there")

    monkeypatch.setattr(trial, "LimitedEngine", refuse)
    monkeypatch.setattr(trial, "choice", lambda *_: Choice("sse4.1", True, True))
    there = bench(shapes, tmp_path)
    monkeypatch.setattr(trial, "this_machine", lambda: WITHOUT_VNNI)
    found = trial._load(candidates["int8"], "openvino", there)
    assert found.refused is None and found.kernels == NATIVE
    monkeypatch.setattr(trial, "this_machine", lambda: WITH_VNNI)
    refused = trial._load(candidates["int8"], "openvino", there).refused
    assert refused is not None and refused.endswith("by how much: openvino chose jit_avx2 all the same")


def built(shapes: Any, folder: Path, *engines: str) -> Built:
    project = relens.load(shapes.project).model_copy(
        update={
            "device": DeviceSpec(profile="deeplens", engines=engines),
            "recipe": RecipeSpec(schemes=("int8",)),
            "goals": Goals(max_accuracy_drop=1.0, prefer="size"),
        }
    )
    return relens.build(project, folder / "m.relens", latency_seconds=0.1)


def options_of(made: Built) -> dict[str, Option]:
    return {judged.option.name: judged.option for judged in made.verdict.judged}


@emulates
def test_a_bundle_for_another_processor_carries_what_its_kernels_say(
    shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded_here = []

    def load_engine(path: Path, engine: str, threads: int) -> Any:
        loaded_here.append((Graph.read(path).inputs[0].dtype, engine))
        return relens.engines.load_engine(path, engine, threads)

    monkeypatch.setattr(trial, "load_engine", load_engine)
    made = built(shapes, tmp_path, "openvino")
    option = options_of(made)["int8 on openvino"]
    assert made.verdict.chosen is not None and made.verdict.chosen.option is option
    assert ("float32", "openvino") in loaded_here and ("int8", "openvino") not in loaded_here

    assert option.score is not None and option.score.n == 120 and option.kernels == "sse4.1"
    assert made.verdict.chosen.reason.endswith("; accuracy on emulated sse4.1 kernels")
    assert "accuracy on emulated sse4.1 kernels" in made.path.with_suffix(".report.html").read_text()
    report = json.loads(made.path.with_suffix(".report.json").read_text())
    told = {judged["name"]: judged["accuracy"] for judged in report["options"]}
    assert (told["int8 on openvino"]["kernels"], told["int8 on openvino"]["emulated"]) == ("sse4.1", True)
    assert (told["float32 on openvino"]["kernels"], told["float32 on openvino"]["emulated"]) == (NATIVE, False)
    assert all("Convolution" not in kernel for kernel in told["int8 on openvino"]["unlimited"])

    bundle = relens.open_bundle(made.path, tmp_path)
    with LimitedEngine(bundle.model, "openvino", "sse4.1") as there:
        model = VisionModel(there, bundle.manifest.input, relens.load(shapes.project).output)
        for item in bundle.golden:
            found = sampled(model.infer(model.prepare(item.frame)))
            np.testing.assert_array_equal(found["scores"], item.expected["scores"])
    if HERE.int8_saturates:
        assert relens.accept(bundle).accepted


@emulates
def test_a_process_that_dies_while_it_is_asked_costs_its_option_only(
    shapes: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dying(LimitedEngine):
        asked = 0

        def run(self, inputs: Any) -> Any:
            Dying.asked += 1
            if Dying.asked == 5:
                os.kill(self._child._process.pid, signal.SIGKILL)
            return super().run(inputs)

    monkeypatch.setattr(trial, "LimitedEngine", Dying)
    options = options_of(built(shapes, tmp_path, "litert", "openvino"))
    assert Dying.asked == 5
    assert options["int8 on openvino"].refused == "the process limited to other kernels died of SIGKILL"
    assert options["int8 on litert"].score is not None and options["float32 on openvino"].score is not None
