import numpy as np
import pytest

from relens.compress.heal.targets import Target
from relens.compress.heal.trainer import Match


@pytest.fixture
def boxes() -> Match:
    like = np.zeros((1, 2, 4), np.float32)
    return Match(Target(0, "values"), like, like, spread=np.ones(4, np.float32), temperature=1.0)


def test_boxes_count_where_the_teacher_sees_something(boxes) -> None:
    teacher = np.zeros((1, 2, 4), np.float32)
    objectness = np.array([[[20.0], [-20.0]]], np.float32)
    classes = np.array([[[20.0, -20.0], [20.0, -20.0]]], np.float32)

    def moved(cell: int) -> float:
        student = teacher.copy()
        student[0, cell] += 0.5
        return float(boxes(teacher, student, [objectness, classes]))

    assert moved(0) == pytest.approx(0.25, rel=1e-4)
    assert moved(1) < 1e-6, "no object there"


def test_without_scores_all_places_count_alike(boxes) -> None:
    teacher = np.zeros((1, 2, 4), np.float32)
    student = teacher.copy()
    student[0, 1] += 0.5

    assert float(boxes(teacher, student)) == pytest.approx(0.125)


def test_a_batch_without_any_object_does_not_turn_to_noise(boxes) -> None:
    teacher = np.zeros((1, 2, 4), np.float32)

    assert float(boxes(teacher, teacher + 0.5, [np.full((1, 2, 1), -20.0, np.float32)])) < 1e-6


def test_features_of_another_width_cost_at_first_what_knowing_nothing_costs() -> None:
    random = np.random.default_rng(0)
    teacher = random.standard_normal((500, 8)).astype(np.float32)
    teacher[:, 4:] = 0  # channels that are dead in the teacher
    student = 3 * random.standard_normal((500, 2)).astype(np.float32)

    match = Match(Target(0, "feature"), teacher, student, spread=teacher.var(axis=0), temperature=1.0)

    assert float(match(teacher, student)) == pytest.approx(0.5, rel=0.1), "of the eight, four cost 1"
    off = np.zeros((500, 8), np.float32)
    off[:, 7] = 0.7  # about one deviation of the whole tensor
    same = Match(Target(0, "feature"), teacher, teacher, spread=teacher.var(axis=0), temperature=1.0)
    assert float(same(teacher, teacher + off)) < 0.2, "noise in a dead channel is not magnified"
