import re
from pathlib import Path

import pytest

import relens
from relens.errors import BadConfig, BadData
from relens.graph import Graph
from relens.pipeline.build import build
from relens.pipeline.cache import Cache
from relens.pipeline.convert import calibration_samples
from relens.pipeline.progress import Silent
from relens.pipeline.recipe import follow
from relens.pipeline.steps import Kitchen
from relens.spec import (
    ChannelsStep,
    DeviceSpec,
    DistilStep,
    HealStep,
    InputSpec,
    LayersStep,
    Project,
    QatStep,
    RecipeSpec,
    validate,
)
from relens.vision import frames_from

CUT = ChannelsStep(speedup=1.1)
HEAL = HealStep(epochs=6, batch=16, learning_rate=5e-3)
QAT = QatStep(epochs=2, batch=16, learning_rate=1e-2)


class Notes:
    """A progress that remembers which steps were taken and which were kept from before."""

    def __init__(self) -> None:
        self.taken: list[str] = []
        self.kept: list[str] = []

    def stage(self, name: str) -> None:
        if name.startswith("recipe: "):
            self.taken.append(name.removeprefix("recipe: "))

    def advance(self, fraction: float, note: str = "") -> None:
        if note.startswith("kept from before"):
            self.kept.append(self.taken[-1])


def _project(shapes, *steps, engines=("litert",), **data) -> Project:
    project = relens.load(shapes.project)
    updates = {
        "recipe": RecipeSpec(steps=steps, schemes=("int8",)),
        "device": DeviceSpec(engines=engines),
        "data": project.data.model_copy(update={"train": shapes.train, **data}),
    }
    return project.model_copy(update=updates)


def test_every_step_of_a_recipe_is_a_candidate_with_its_lineage(shapes, tmp_path) -> None:
    project = _project(shapes, CUT, HEAL, QAT, engines=("litert", "openvino"))

    built = build(project, tmp_path / "a.relens", latency_seconds=0.5)

    options = {judged.option.name: judged.option for judged in built.verdict.judged}
    assert {name.removesuffix(" on litert") for name in options if name.endswith("litert")} == {
        "float32",
        "int8",
        "channels float32",
        "channels+heal float32",
        "channels+heal int8",
        "channels+heal+qat int8",
    }
    trained = options["channels+heal+qat int8 on litert"].candidate
    steps = [re.match(r"\w+", line).group() for line in trained.recipe]
    assert steps[:2] == ["channels", "heal"]
    assert steps[-2:] == ["qat", "quantize"]
    assert {*steps[2:-2]} <= {"equalize", "search_ranges", "correct_biases"}, "qat starts from where repair ends"
    original = options["float32 on litert"].candidate.graph
    assert all(option.candidate.parent_sha256 == original.sha256 for option in options.values())
    assert trained.graph.size_bytes < options["int8 on litert"].candidate.graph.size_bytes


def test_operations_that_cannot_be_trained_are_listed_in_the_lineage(shapes, interrupted_graph, tmp_path) -> None:
    graph, frames, contract = Graph.read(interrupted_graph), frames_from(shapes.train), InputSpec()
    samples = calibration_samples(frames.spread(16), contract, graph.inputs[0])
    held, cache = frames.spread(20), Cache(tmp_path)
    kitchen = Kitchen(graph, frames, held, contract, ("litert",), samples, None, cache, Silent())

    short = {"epochs": 1, "batch": 16}
    steps = [DistilStep(student=interrupted_graph, **short), HealStep(**short), QatStep(**short)]
    made = follow(steps, kitchen)

    said = "untrained(1 x GATHER_ND (no rule for it); 2 x CUMSUM (no rule for it))"
    assert [stage.steps.count(said) for stage in made.stages] == [0, 1, 2]
    assert made.trained.recipe.count(said) == 3
    assert made.trained.recipe[-1] == said


def test_a_second_build_takes_only_the_steps_that_changed(shapes, tmp_path) -> None:
    build(_project(shapes, CUT, HEAL, QAT), tmp_path / "a.relens", latency_seconds=0.2)
    same, changed = Notes(), Notes()

    build(_project(shapes, CUT, HEAL, QAT), tmp_path / "b.relens", progress=same, latency_seconds=0.2)
    other = QAT.model_copy(update={"learning_rate": 5e-3})
    build(_project(shapes, CUT, HEAL, other), tmp_path / "c.relens", progress=changed, latency_seconds=0.2)

    assert same.kept == ["channels", "heal", "qat"]
    assert (changed.taken, changed.kept) == (["channels", "heal", "qat"], ["channels", "heal"])


def test_a_student_is_known_by_its_content_wherever_its_file_lies(shapes, tmp_path) -> None:
    def step(folder: str) -> DistilStep:
        student = tmp_path / folder / "student.keras"
        student.parent.mkdir()
        student.write_bytes(shapes.model.read_bytes())
        return DistilStep(student=student, epochs=1, batch=16)

    here, there = Notes(), Notes()
    built = build(_project(shapes, step("here")), tmp_path / "a.relens", progress=here, latency_seconds=0.2)
    build(_project(shapes, step("there")), tmp_path / "b.relens", progress=there, latency_seconds=0.2)

    (taught,) = {
        judged.option.candidate.recipe
        for judged in built.verdict.judged
        if judged.option.candidate.name == "distil float32"
    }
    assert taught[0].startswith("distil(student.keras; ")
    assert (here.taken, here.kept) == (["distil"], [])
    assert (there.taken, there.kept) == (["distil"], ["distil"])


def test_other_pictures_are_another_recipe(shapes, tmp_path) -> None:
    fewer = tmp_path / "fewer"
    fewer.mkdir()
    for file in sorted(shapes.train.iterdir())[:40]:
        (fewer / file.name).write_bytes(file.read_bytes())
    build(_project(shapes, CUT, train=fewer), tmp_path / "a.relens", latency_seconds=0.2)
    notes = Notes()

    build(_project(shapes, CUT), tmp_path / "b.relens", progress=notes, latency_seconds=0.2)

    assert notes.taken == ["channels"]


def test_a_recipe_without_pictures_says_what_to_set(shapes, tmp_path) -> None:
    project = _project(shapes, CUT, train=None, calibration=None).model_copy(
        update={"recipe": RecipeSpec(steps=(CUT,))}
    )

    with pytest.raises(BadConfig) as refused:
        build(project, tmp_path / "a.relens")

    assert "train" in refused.value.hint


def test_a_handful_of_pictures_is_refused_before_hours_of_work(shapes, tmp_path) -> None:
    few = tmp_path / "few"
    few.mkdir()
    for file in sorted(shapes.train.iterdir())[:3]:
        (few / file.name).write_bytes(file.read_bytes())

    with pytest.raises(BadData) as refused:
        build(_project(shapes, CUT, train=few), tmp_path / "a.relens")

    assert (refused.value.code, "3 pictures" in refused.value.message) == ("RL-DATA-001", True)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"steps": ["chanels"]}, "did you mean `channels`"),
        ({"steps": [{"step": "channels", "speed": 2}]}, "did you mean `speedup`"),
        ({"steps": [{"step": "qat", "bits": 5}]}, "bits"),
        ({"steps": ["heal"]}, "nothing to heal"),
        ({"steps": ["qat", "heal"]}, "ends a recipe"),
        ({"steps": ["layers"], "preset": "small"}, "not both"),
        ({"steps": [3]}, "there is no step"),
    ],
)
def test_a_recipe_that_makes_no_sense_is_refused_by_name(written, said) -> None:
    with pytest.raises(BadConfig, match=re.escape(said)):
        validate(RecipeSpec, written, where=Path("relens.toml"))


def test_names_and_tables_say_the_same() -> None:
    recipe = validate(RecipeSpec, {"steps": ["layers", {"step": "heal", "epochs": 3}]}, where="relens.toml")

    assert recipe.all_steps == (LayersStep(), HealStep(epochs=3))


def test_the_fast_preset_repairs_without_training(shapes, tmp_path) -> None:
    project = relens.load(shapes.project).model_copy(update={"recipe": RecipeSpec(preset="fast", schemes=("int8",))})

    built = build(project, tmp_path / "a.relens", latency_seconds=0.2)

    repaired = next(one.option for one in built.verdict.judged if one.option.name == "repair int8 on litert")
    assert repaired.score.interval.value > 0.85
    assert repaired.candidate.recipe[-1].startswith("quantize(int8")
