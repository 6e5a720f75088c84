from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import relens
from relens.graph import Graph
from relens.measure.classification import best_classes
from relens.measure.validation import Validation, load_validation
from relens.pipeline.convert import calibration_samples
from relens.pipeline.option import Option
from relens.pipeline.progress import Silent
from relens.pipeline.side_by_side import Difference, difference, in_words, most_telling, side_by_side
from relens.pipeline.trial import Bench, vision_model
from relens.quantize import quantize
from relens.spec import OutputSpec, this_machine
from relens.vision import Classes, Detections, Tensors, frames_from

LABELS = ("circle", "square", "cross")


def classes(*scores: float) -> Classes:
    return Classes(np.array(scores, np.float32))


def boxes(*found: tuple[float, float, float, float, int]) -> Detections:
    rows = np.array(found, np.float32).reshape(-1, 5)
    return Detections(rows[:, :4], np.full(len(rows), 0.9, np.float32), rows[:, 4].astype(np.int64))


def test_classes_differ_when_the_best_one_is_another_however_close_the_scores() -> None:
    assert difference(classes(0.9, 0.1), classes(0.6, 0.4)) == Difference(False, pytest.approx(0.3))
    assert difference(classes(0.51, 0.49), classes(0.49, 0.51)) == Difference(True, pytest.approx(0.02))


ONE, MOVED, FAR, OTHER = (0, 0, 10, 10, 0), (0, 0, 10, 8, 0), (20, 20, 30, 30, 0), (0, 0, 10, 10, 1)


@pytest.mark.parametrize(
    ("ours", "theirs", "differs", "amount"),
    [
        ([ONE], [ONE], False, 0.0),
        ([ONE], [MOVED], False, 0.2),
        ([ONE], [FAR], True, 3.0),
        ([ONE], [OTHER], True, 3.0),
        ([ONE, FAR], [ONE], True, 2.0),
        ([ONE], [ONE, MOVED], True, 1.2),
        ([], [], False, 0.0),
        ([], [ONE], True, 2.0),
    ],
)
def test_detections_differ_by_class_by_count_and_by_overlap(
    ours: Any, theirs: Any, differs: bool, amount: float
) -> None:
    for pair in ((ours, theirs), (theirs, ours)):
        assert difference(boxes(*pair[0]), boxes(*pair[1])) == Difference(differs, pytest.approx(amount))


def test_the_most_different_pictures_come_first_and_then_evenly_spread_ones() -> None:
    differences = [Difference(False, 0.9 if place == 7 else 0.0) for place in range(100)]
    differences[50], differences[20], differences[80] = (Difference(True, amount) for amount in (0.1, 0.8, 0.3))
    assert most_telling(differences) == [20, 80, 50, 7, 0, 99]


@pytest.mark.parametrize("total", [1, 2, 4, 5, 6, 7])
def test_each_picture_is_shown_once(total: int) -> None:
    places = most_telling([Difference(False, 0.0)] * total)
    assert sorted(set(places)) == sorted(places) and len(places) == min(total, 6)


def test_predictions_are_said_in_words() -> None:
    assert in_words(classes(0.1, 0.7, 0.2), LABELS) == "square 0.70"
    assert in_words(boxes(ONE, FAR, OTHER), LABELS) == "2 circle, 1 square"
    assert in_words(boxes(), LABELS) == "nothing"


def bench(project: Any, folder: Path, validation: Validation | None = None, **other: Any) -> Bench:
    found = validation or load_validation(project.data, LABELS)
    values = {"input": project.input, "output": project.output, **other}
    return Bench(**values, validation=found, device=this_machine(), engines=(), threads=1, folder=folder, seconds=0.1)


@pytest.fixture
def project(shapes: Any) -> Any:
    return relens.load(shapes.project)


@pytest.fixture
def options(shapes: Any, project: Any) -> tuple[Option, Option]:
    """The float model, and an int8 one that was calibrated on a single dark picture: it errs now and then."""
    graph = Graph.read(shapes.graph)
    frames = frames_from(shapes.calibration, 2).chosen([0])
    int8 = quantize(graph, "int8", samples=calibration_samples(frames, project.input, graph.inputs[0]))
    return Option(quantize(graph, "float32"), "litert"), Option(int8, "litert")


def test_two_models_are_counted_drawn_and_held_against_the_truth(
    project: Any, options: tuple[Option, Option], tmp_path: Path
) -> None:
    here = bench(project, tmp_path)
    seen = side_by_side(*options, here, LABELS, Silent())
    assert seen is not None and (seen.total, seen.compared, len(seen.pairs)) == (120, 120, 6)
    with vision_model(options[0], here) as first, vision_model(options[1], here) as second:
        said = [[model.predict(frame) for frame in here.validation.frames] for model in (first, second)]
    best = [best_classes(predictions) for predictions in said]
    assert seen.differing == int((best[0] != best[1]).sum()) > 0
    for pair in seen.pairs:
        place = here.validation.frames.names.index(pair.picture)
        truth = here.validation.metric.truth[place]
        assert pair.truth == LABELS[truth]
        assert pair.differs == (best[0][place] != best[1][place])
        for view, answers in ((pair.reference, best[0]), (pair.chosen, best[1])):
            assert view.right == (answers[place] == truth) and view.says.startswith(LABELS[answers[place]])
            picture = cv2.imdecode(np.frombuffer(view.jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert picture.shape == (240, 320, 3)


def test_without_labels_there_is_no_truth_to_show(
    project: Any, options: tuple[Option, Option], shapes: Any, tmp_path: Path
) -> None:
    here = bench(project, tmp_path, Validation(frames_from(shapes.calibration), None))
    seen = side_by_side(*options, here, LABELS, Silent())
    assert seen is not None
    assert all(pair.truth is None and pair.reference.right is None for pair in seen.pairs)


def test_of_many_pictures_an_even_share_is_compared_and_said(
    project: Any, options: tuple[Option, Option], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relens.pipeline.side_by_side.COMPARED", 10)
    here = bench(project, tmp_path)
    seen = side_by_side(*options, here, LABELS, Silent())
    assert seen is not None and (seen.total, seen.compared) == (120, 10)
    names = here.validation.frames.names
    for pair in seen.pairs:
        assert pair.truth == LABELS[here.validation.metric.truth[names.index(pair.picture)]]


def test_there_is_nothing_to_see_between_a_model_and_itself_or_in_bare_tensors(
    project: Any, options: tuple[Option, Option], tmp_path: Path
) -> None:
    assert side_by_side(options[0], options[0], bench(project, tmp_path), LABELS, Silent()) is None
    raw = bench(project, tmp_path, output=OutputSpec(decoder="tensors"))
    with vision_model(options[0], raw) as model:
        assert isinstance(model.predict(raw.validation.frames[0]), Tensors)
    assert side_by_side(*options, raw, LABELS, Silent()) is None


def test_boxes_are_drawn_where_they_are_on_the_picture_made_smaller() -> None:
    from relens.pipeline.side_by_side import _view

    frame = np.zeros((960, 1280, 3), np.uint8)
    view = _view(frame, boxes((320, 480, 960, 880, 0)), None, LABELS)
    picture = cv2.imdecode(np.frombuffer(view.jpeg, np.uint8), cv2.IMREAD_COLOR)
    rows, columns = np.nonzero(picture.max(axis=2) > 128)
    assert picture.shape == (240, 320, 3) and view.says == "1 circle"
    assert abs(columns.min() - 80) <= 3 and abs(columns.max() - 240) <= 3 and abs(rows.max() - 220) <= 3
