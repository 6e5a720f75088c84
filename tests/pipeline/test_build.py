import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import relens
from relens.engines.kernels import choice
from relens.errors import BadConfig, BadData, GoalMissed
from relens.graph import Graph
from relens.spec import DeviceSpec, Goals, InputSpec, RecipeSpec, Scaling, device
from relens.vision import Preprocessor, frames_from


class Told:
    def __init__(self) -> None:
        self.stages: list[str] = []
        self.fractions: list[float] = []

    def stage(self, name: str) -> None:
        self.stages.append(name)

    def advance(self, fraction: float, note: str = "") -> None:
        self.fractions.append(fraction)


@pytest.fixture(scope="module")
def built(shapes: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    told = Told()
    target = tmp_path_factory.mktemp("built") / "shapes.relens"
    return relens.build(shapes.project, target, progress=told, latency_seconds=1), told


def test_a_project_becomes_a_bundle_that_this_machine_accepts(built: Any, tmp_path: Path) -> None:
    made, _ = built
    bundle = relens.open_bundle(made.path, tmp_path)
    acceptance = relens.accept(bundle)
    assert acceptance.accepted, acceptance
    assert bundle.labels == ("circle", "square", "cross") and len(bundle.golden) == 4
    assert bundle.manifest.accuracy is not None and bundle.manifest.accuracy.n == 120


def test_every_candidate_is_measured_on_every_engine(built: Any) -> None:
    made, _ = built
    names = {judged.option.name for judged in made.verdict.judged}
    schemes, engines = ("float32", "float16", "dynamic", "int8"), ("litert", "openvino")
    assert names == {f"{scheme} on {engine}" for scheme in schemes for engine in engines}
    for judged in made.verdict.judged:
        option = judged.option
        assert option.score and option.drop and option.latency and option.memory and judged.reason, option.name


def test_long_work_tells_that_it_is_alive(built: Any) -> None:
    _, told = built
    stages = [stage for stage in told.stages if stage != "side by side"]  # not where float itself was the fastest
    assert stages == ["import", "candidates", "accuracy", "latency", "memory", "bundle"]
    assert all(0 <= fraction <= 1 for fraction in told.fractions) and len(told.fractions) > 100


def test_the_report_stands_beside_the_bundle_for_people_and_machines(built: Any) -> None:
    made, _ = built
    report = json.loads(made.path.with_suffix(".report.json").read_text())
    assert report["chosen"] == made.verdict.chosen.option.name and report["source"]["kind"] == "Keras"
    page = made.path.with_suffix(".report.html").read_text()
    assert all(judged.option.name in page for judged in made.verdict.judged)
    assert page.count('role="img"') == 2 and page.count("<title>") == 1 + 2 * len(made.verdict.judged)


def test_the_report_shows_float_and_the_chosen_one_on_the_same_pictures(shapes: Any, tmp_path: Path) -> None:
    project = relens.load(shapes.project)
    project = project.model_copy(update={"goals": Goals(prefer="size", max_accuracy_drop=0.5)})
    made = relens.build(project, tmp_path / "m.relens", latency_seconds=0.1)
    seen = made.report.side_by_side
    assert seen is not None and (seen.reference, seen.chosen) == ("float32 on litert", made.verdict.chosen.option.name)
    assert (seen.compared, len(seen.pairs)) == (120, 6)
    report = json.loads((tmp_path / "m.report.json").read_text())["side_by_side"]
    assert report["compared"] == 120 and report["differing"] == seen.differing
    assert (tmp_path / "m.report.html").read_text().count("data:image/jpeg;base64,") == 12


def test_the_model_in_the_bundle_carries_its_labels_for_other_tools(built: Any, tmp_path: Path) -> None:
    import zipfile

    bundle = relens.open_bundle(built[0].path, tmp_path)
    with zipfile.ZipFile(bundle.model) as attached:
        assert attached.read("labels.txt").decode().split() == list(bundle.labels)


def test_the_same_project_in_two_folders_gives_the_same_bytes(shapes: Any, tmp_path: Path) -> None:
    bundles = []
    for name in ("one", "two"):
        folder = tmp_path / name
        shutil.copytree(shapes.folder, folder, ignore=shutil.ignore_patterns(".relens", "*.relens"))
        # By size, so that the choice between equally fast candidates does not hang on the noise of the hour.
        text = (folder / "relens.toml").read_text().replace("[goals]", '[goals]\nprefer = "size"')
        (folder / "relens.toml").write_text(text)
        bundles.append(relens.build(folder, latency_seconds=0.1).path.read_bytes())
    assert bundles[0] == bundles[1]


def test_missed_goals_fail_with_reasons_and_leave_a_report_but_no_bundle(shapes: Any, tmp_path: Path) -> None:
    project = relens.load(shapes.project).model_copy(update={"goals": Goals(max_size_mb=0.001)})
    with pytest.raises(GoalMissed) as missed:
        relens.build(project, tmp_path / "no.relens", latency_seconds=0.1)
    assert missed.value.code == "RL-GOAL-001"
    assert all("size" in item["reason"] for item in missed.value.details["options"])
    assert not (tmp_path / "no.relens").exists() and (tmp_path / "no.report.json").exists()
    page = (tmp_path / "no.report.html").read_text()
    assert 'role="img"' in page and "data:image/jpeg" not in page


def test_a_recipe_narrows_the_candidates_and_float_is_always_one(shapes: Any, tmp_path: Path) -> None:
    project = relens.load(shapes.project).model_copy(update={"recipe": RecipeSpec(schemes=("int8",))})
    made = relens.build(project, tmp_path / "m.relens", latency_seconds=0.1)
    assert {judged.option.candidate.scheme for judged in made.verdict.judged} == {"float32", "int8"}


def test_without_labels_candidates_are_held_against_the_float_model(shapes: Any, tmp_path: Path) -> None:
    project = relens.load(shapes.project)
    data = project.data.model_copy(update={"validation": None})
    made = relens.build(project.model_copy(update={"data": data}), tmp_path / "m.relens", latency_seconds=0.1)
    accuracy = made.manifest.accuracy
    assert accuracy is not None and accuracy.metric == "agreement (top-1)" and accuracy.n == 32


def test_nothing_is_proven_without_pictures(shapes: Any) -> None:
    project = relens.load(shapes.project)
    with pytest.raises(BadData, match="names no pictures"):
        relens.build(project.model_copy(update={"data": type(project.data)()}))


def test_a_task_that_the_decoder_cannot_do_is_refused_at_once(shapes: Any) -> None:
    project = relens.load(shapes.project)
    model = project.model.model_copy(update={"task": "detection"})
    with pytest.raises(BadConfig, match="gives classification"):
        relens.build(project.model_copy(update={"model": model}))


@pytest.fixture(scope="module")
def flowers(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flowers-project")
    text = f"""
[model]
source = "MODEL"
labels = "{shared_data}/flowers/classes.txt"
name = "flowers"
[input]
scaling = "-1..1"
interpolation = "antialias"
[data]
calibration = "{shared_data}/flowers/calib"
validation = "{shared_data}/flowers/test_labels.csv"
[device]
engines = ["litert"]
"""
    h5 = shared_data / "models/flowers_mobilenet_v1_025_128.h5"
    freeze = [sys.executable, Path(__file__).parents[1] / "freeze.py", h5, folder / "flowers.pb"]
    subprocess.run(freeze, check=True, capture_output=True)
    models = {"h5": h5, "savedmodel": h5.with_name(f"{h5.stem}_savedmodel"), "frozen": folder / "flowers.pb"}
    for kind, model in models.items():
        (folder / kind).mkdir()
        (folder / kind / "relens.toml").write_text(text.replace("MODEL", str(model)))
    return folder


@pytest.mark.parametrize("kind", ["h5", "savedmodel", "frozen"])
def test_flowers_goes_from_file_to_accepted_bundle_with_the_reference_accuracy(
    kind: str, flowers: Path, tmp_path: Path
) -> None:
    made = relens.build(flowers / kind, latency_seconds=1)
    scores = {judged.option.name: judged.option.score for judged in made.verdict.judged}
    reference = scores["float32 on litert"]
    assert reference is not None and reference.n == 300
    assert abs(reference.interval.value - 0.920) <= 0.005, reference
    assert relens.accept(relens.open_bundle(made.path, tmp_path)).accepted


@pytest.mark.parametrize(
    ("model", "pictures", "contract"),
    [
        ("flowers_mobilenet_v1_025_128.h5", "flowers/test", {"scaling": "-1..1"}),
        (
            "yolox_nano_416.h5",
            "coco_cc_subset/images",
            {"scaling": "0..255", "colour": "bgr", "resize": "letterbox-top-left"},
        ),
    ],
)
def test_on_real_pictures_the_float_graph_answers_as_its_source(
    model: str, pictures: str, contract: dict[str, Any], shared_data: Path, request: pytest.FixtureRequest
) -> None:
    graph = Graph.read(request.getfixturevalue("flowers_graph" if "flowers" in model else "yolox_graph"))
    prepare = Preprocessor(InputSpec(interpolation="antialias", **contract), graph.inputs[0])
    probes = [{graph.inputs[0].name: prepare(f).tensor} for f in frames_from(shared_data / pictures, 6)]
    imported = relens.import_model(shared_data / "models" / model, probes=probes)
    # Of the largest output. YOLOX: 2.7e-4 of 3.4, where TensorFlow itself is up to 2.6e-4 away from float64.
    assert imported.relative_error < 1e-4, imported


def test_yolox_goes_from_file_to_accepted_bundle_with_the_reference_map(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "relens.toml").write_text(f"""
[model]
source = "{shared_data}/models/yolox_nano_416.h5"
task = "detection"
[input]
resize = "letterbox-top-left"
colour = "bgr"
scaling = "0..255"
interpolation = "antialias"
[output]
decoder = "yolo"
[data]
calibration = "{shared_data}/coco_cc_subset/images"
calibration_samples = 24
validation = "{shared_data}/coco_cc_subset/instances.json"
[recipe]
schemes = ["float16", "int8"]
""")
    made = relens.build(tmp_path, latency_seconds=1)
    reference = next(j.option.score for j in made.verdict.judged if j.option.name == "float32 on litert")
    assert reference is not None and reference.n == 60
    assert abs(reference.also["mAP"] - 0.391) <= 0.005 and abs(reference.also["AP50"] - 0.572) <= 0.005, reference
    int8 = next(j for j in made.verdict.judged if j.option.name == "int8 on litert")
    assert not int8.acceptable and "accuracy drop" in int8.reason
    bundle = relens.open_bundle(made.path, tmp_path)
    assert relens.accept(bundle).accepted
    assert all(np.isfinite(value).all() for frame in bundle.golden for value in frame.expected.values())


def test_a_float_model_that_is_right_nowhere_is_not_packaged(shapes: Any, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("square\ncross\ncircle\n")
    rows = (shapes.folder / "validation.csv").read_text().replace("circle", "square")
    (shapes.folder / "wrong.csv").write_text(rows.replace("cross", "square"))
    project = relens.load(shapes.project)
    data = project.data.model_copy(update={"validation": shapes.folder / "wrong.csv", "calibration": None})
    wrong = project.input.model_copy(update={"scaling": Scaling(mean=(1e6,), std=(1.0,))})
    with pytest.raises(BadData, match="the float model itself reaches top-1"):
        relens.build(project.model_copy(update={"data": data, "input": wrong}), tmp_path / "m.relens")


def test_labels_are_as_many_as_scores_or_nothing_is_measured(shapes: Any, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("circle\nsquare\ncross\nstar\n")
    project = relens.load(shapes.project)
    model = project.model.model_copy(update={"labels": tmp_path / "labels.txt"})
    with pytest.raises(BadConfig, match="there are 4 labels"):
        relens.build(project.model_copy(update={"model": model}), str(tmp_path / "m.relens"))


def test_for_a_processor_without_avx_latency_is_measured_on_its_kernels(shapes, tmp_path) -> None:
    if not choice(device("deeplens")).can_emulate:
        pytest.skip("this machine cannot emulate the kernels of a DeepLens")
    project = relens.load(shapes.project)
    project = project.model_copy(update={"device": DeviceSpec(profile="deeplens", engines=("litert",))})

    built = relens.build(project, tmp_path / "a.relens", latency_seconds=0.5)

    assert built.verdict.kernels == "sse4.1"
    measured = [one.option.latency.to_json() for one in built.verdict.judged if one.option.latency]
    assert measured
    assert all(latency["emulated"] for latency in measured)
    assert all(one.option.estimate for one in built.verdict.judged if one.option.candidate.scheme != "dynamic")
    assert "estimate, not measured" in (tmp_path / "a.report.html").read_text()
    assert "emulated sse4.1 kernels" in (tmp_path / "a.report.html").read_text()
