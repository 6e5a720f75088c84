"""Validation pictures with what is true of them."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from relens.errors import BadData
from relens.measure.classification import Top1
from relens.measure.detection import BoxAP, BoxTruth
from relens.measure.score import Metric
from relens.spec import DataSpec
from relens.vision import Frames, frames_from, frames_from_files
from relens.vision.frames import PICTURE_SUFFIXES, evenly


@dataclass(frozen=True)
class Validation:
    """Pictures, and the metric that knows their truth (None: agreement with the float model will be measured)."""

    frames: Frames
    metric: Metric | None


def load_validation(data: DataSpec, labels: Sequence[str]) -> Validation | None:
    """Read `[data] validation`, or fall back on the calibration pictures without truth; None without either.

    Raises:
        BadData: RL-DATA-001 no pictures, -002 unreadable ones, -003 a label file that cannot be used.
    """
    path = data.validation
    if path is None:
        if data.calibration is None:
            return None
        return Validation(frames_from(data.calibration, data.validation_samples), None)
    if path.suffix.lower() == ".csv":
        return _from_csv(path, data, labels)
    if path.suffix.lower() == ".json":
        return _from_coco(path, data, labels)
    folders = sorted(place.name for place in path.iterdir() if place.is_dir()) if path.is_dir() else []
    if folders and labels:
        return _from_class_folders(path, data, labels, folders)
    return Validation(frames_from(path, data.validation_samples), None)


def _from_csv(path: Path, data: DataSpec, labels: Sequence[str]) -> Validation:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except (UnicodeDecodeError, csv.Error) as trouble:
        raise BadData("RL-DATA-003", f"{path}: {trouble}", hint="save it as CSV in UTF-8") from None
    if rows and len(rows[0]) < 2:
        raise BadData("RL-DATA-003", f"{path}: row 1 has one column", hint="write `file,label`, with a comma")
    if rows and not Path(rows[0][0]).suffix:
        rows = rows[1:]
    if not rows:
        raise BadData("RL-DATA-003", f"{path} has no rows", hint="write one `file,label` a line")
    root = data.pictures or _picture_root(path, rows[0][0])
    pairs = []
    for number, row in enumerate(rows, 1):
        if len(row) < 2:
            raise BadData("RL-DATA-003", f"{path}, row {number}: no label", hint="write `file,label`")
        pairs.append((root / row[0], _class_index(row[1].strip(), labels, f"{path}, row {number}")))
    return _labelled(pairs, root, data.validation_samples)


def _from_class_folders(path: Path, data: DataSpec, labels: Sequence[str], folders: Sequence[str]) -> Validation:
    strays = sorted(set(folders) ^ set(labels))
    if strays:
        near = get_close_matches(strays[0], {*folders, *labels} - {strays[0]}, n=1)
        raise BadData(
            "RL-DATA-003",
            f"{path} has one folder a class, and folders and labels differ in {', '.join(strays[:5])}",
            hint=f"did you mean `{near[0]}`?" if near else "name the folders as the labels; no labels: no `labels` key",
        )
    pairs = [
        (file, index)
        for index, label in enumerate(labels)
        for file in sorted((path / label).rglob("*"))
        if file.suffix.lower() in PICTURE_SUFFIXES
    ]
    if not pairs:
        raise BadData("RL-DATA-001", f"{path} holds no pictures", hint="put them into one folder a class")
    return _labelled(pairs, path, data.validation_samples)


def _labelled(pairs: list[tuple[Path, int]], root: Path, limit: int | None) -> Validation:
    pairs = [pairs[i] for i in evenly(len(pairs), limit)]
    frames = _existing([file for file, _ in pairs], root)
    return Validation(frames, Top1(np.array([index for _, index in pairs], np.int64)))


def _existing(files: list[Path], root: Path) -> Frames:
    """The frames, or an error at once rather than after minutes of work."""
    for file in files:
        if not file.is_file():
            raise BadData(
                "RL-DATA-002", f"{file} does not exist", hint="set `pictures` in [data], or correct the label file"
            )
    return frames_from_files(files, root)


def _from_coco(path: Path, data: DataSpec, labels: Sequence[str]) -> Validation:
    try:
        truth = json.loads(path.read_text(encoding="utf-8"))
        pictures, boxes, kinds = truth["images"], truth["annotations"], truth["categories"]
        names = [str(picture["file_name"]) for picture in pictures]
        index = {kind["id"]: _coco_class(path, kind, place, labels) for place, kind in enumerate(kinds)}
        of_picture: dict[int, list[dict[str, Any]]] = {picture["id"]: [] for picture in pictures}
        for box in boxes:
            of_picture[box["image_id"]].append({**box, "class": index[box["category_id"]]})
        boxed = [_box_truth(of_picture[picture["id"]]) for picture in pictures]
        if not pictures:
            raise ValueError("no images")
    except (ValueError, KeyError, TypeError) as trouble:
        raise BadData(
            "RL-DATA-003",
            f"{path} is not a COCO instances file: {trouble!r}",
            hint="it needs `images`, `annotations` and `categories`",
        ) from None
    chosen = evenly(len(names), data.validation_samples)
    root = data.pictures or _picture_root(path, names[0])
    frames = _existing([root / names[i] for i in chosen], root)
    return Validation(frames, BoxAP([boxed[i] for i in chosen]))


def _box_truth(boxes: list[dict[str, Any]]) -> BoxTruth:
    xywh = np.array([box["bbox"] for box in boxes], np.float32).reshape(-1, 4)
    xywh[:, 2:] += xywh[:, :2]
    return BoxTruth(
        xywh,
        np.array([box["class"] for box in boxes], np.int64),
        np.array([bool(box.get("iscrowd")) for box in boxes], np.bool_),
        np.array([box.get("area", box["bbox"][2] * box["bbox"][3]) for box in boxes], np.float64),
    )


def _coco_class(path: Path, kind: dict[str, Any], place: int, labels: Sequence[str]) -> int:
    """The model's class index of a COCO category: by name among the labels; without labels its place in the file."""
    if not labels:
        return place
    name = str(kind["name"])
    if name not in labels:
        near = get_close_matches(name, labels, n=1)
        raise BadData(
            "RL-DATA-003",
            f"{path}: category `{name}` is not among the labels",
            hint=f"did you mean `{near[0]}`?" if near else "correct it, or `labels` in [model]",
        )
    return labels.index(name)


def _picture_root(path: Path, first: str) -> Path:
    """The folder that file names are relative to: beside the label file, or its `images` folder."""
    for root in (path.parent, path.parent / "images"):
        if (root / first).is_file():
            return root
    raise BadData(
        "RL-DATA-003",
        f"{path}: {first} is not beside it",
        hint="set `pictures` in [data] to the pictures' folder",
    )


def _class_index(label: str, labels: Sequence[str], where: str) -> int:
    if label in labels:
        return labels.index(label)
    if label.isascii() and label.isdecimal():
        return int(label)
    raise BadData(
        "RL-DATA-003",
        f"{where}: `{label}` is not among the labels",
        hint="correct it, or set `labels` in [model]",
    )
