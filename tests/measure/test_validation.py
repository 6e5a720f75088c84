import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from relens.errors import BadData
from relens.measure.validation import load_validation
from relens.spec import DataSpec
from relens.vision import Classes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for label in ("cat", "dog"):
        (tmp_path / "pics" / label).mkdir(parents=True)
        for number in range(3):
            cv2.imwrite(str(tmp_path / "pics" / label / f"{number}.png"), np.zeros((4, 4, 3), np.uint8))
    return tmp_path


def truth(found: Any) -> list[int]:
    return found.metric.truth.tolist()  # type: ignore[no-any-return]


def test_a_csv_gives_labels_by_name_or_number(folder: Path) -> None:
    # As spreadsheets write it: a byte-order mark, and carriage returns.
    (folder / "pics/a.csv").write_bytes(b"\xef\xbb\xbfcat/0.png,cat\r\ndog/1.png,dog\r\ndog/2.png,1\r\n")
    found = load_validation(DataSpec(validation=folder / "pics/a.csv"), ("cat", "dog"))
    assert found is not None and truth(found) == [0, 1, 1]
    assert found.frames.names == ("cat/0.png", "dog/1.png", "dog/2.png")


def test_one_folder_a_class_gives_labels(folder: Path) -> None:
    found = load_validation(DataSpec(validation=folder / "pics"), ("cat", "dog"))
    assert truth(found) == [0, 0, 0, 1, 1, 1]


def test_pictures_without_labels_and_calibration_alone_have_no_metric(folder: Path) -> None:
    for data in (DataSpec(validation=folder / "pics"), DataSpec(calibration=folder / "pics")):
        found = load_validation(data, ())
        assert found is not None and found.metric is None and len(found.frames) == 6
    assert load_validation(DataSpec(), ()) is None


def test_coco_boxes_get_the_models_class_indices(folder: Path) -> None:
    boxes = {
        "images": [{"id": 9, "file_name": "cat/0.png"}, {"id": 4, "file_name": "dog/0.png"}],
        "categories": [{"id": 5, "name": "dog"}, {"id": 2, "name": "cat"}],
        "annotations": [{"id": 1, "image_id": 4, "category_id": 5, "bbox": [1, 1, 2, 1]}],
    }
    (folder / "pics/instances.json").write_text(json.dumps(boxes))
    data = DataSpec(validation=folder / "pics/instances.json")
    named: Any = load_validation(data, ("cat", "dog"))
    assert [item.classes.tolist() for item in named.metric.truth] == [[], [1]]
    assert named.metric.truth[1].boxes.tolist() == [[1, 1, 3, 2]]
    placed: Any = load_validation(data, ())
    assert [item.classes.tolist() for item in placed.metric.truth] == [[], [0]]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.csv", "file,label\ncat/0.png,cow\n", "row 1: `cow` is not among the labels"),
        ("a.csv", "file,label\n", "no rows"),
        ("a.csv", "file,label\ncat/0.png\n", "no label"),
        ("a.csv", "file,label\ncow/0.png,cat\n", "is not beside it"),
        ("a.json", "[1]", "not a COCO"),
        ("a.json", "{", "not a COCO"),
    ],
)
def test_a_label_file_that_cannot_be_used_is_named(folder: Path, name: str, text: str, words: str) -> None:
    (folder / "pics" / name).write_text(text)
    with pytest.raises(BadData, match=words) as trouble:
        load_validation(DataSpec(validation=folder / "pics" / name), ("cat", "dog"))
    assert trouble.value.code == "RL-DATA-003"


def test_labels_beyond_the_models_classes_are_refused(folder: Path) -> None:
    (folder / "pics/a.csv").write_text("cat/0.png,7\n")
    found: Any = load_validation(DataSpec(validation=folder / "pics/a.csv"), ())
    with pytest.raises(BadData, match="up to class 7, and the model has 2 classes"):
        found.metric.score([Classes(np.array([0.1, 0.9], np.float32))])


def test_folders_that_are_not_the_labels_are_refused_rather_than_taken_as_unlabelled(folder: Path) -> None:
    with pytest.raises(BadData, match="differ in dog, dogs"):
        load_validation(DataSpec(validation=folder / "pics"), ("cat", "dogs"))


def test_coco_categories_that_are_not_labels_are_refused_rather_than_counted(folder: Path) -> None:
    boxes = {
        "images": [{"id": 1, "file_name": "cat/0.png"}],
        "annotations": [],
        "categories": [{"id": 1, "name": "Cat"}],
    }
    (folder / "pics/instances.json").write_text(json.dumps(boxes))
    with pytest.raises(BadData, match="category `Cat` is not among the labels"):
        load_validation(DataSpec(validation=folder / "pics/instances.json"), ("cat", "dog"))


def test_a_picture_that_is_not_there_is_named_at_once(folder: Path) -> None:
    (folder / "pics/a.csv").write_text("cat/0.png,cat\ncat/7.png,cat\n")
    with pytest.raises(BadData, match=r"7\.png does not exist"):
        load_validation(DataSpec(validation=folder / "pics/a.csv"), ("cat", "dog"))
