"""Ten functions as they were written for the DeepLens, unchanged, on real models and a hundred real frames each.

What they publish is compared with what the models say to the same frames without anything of `relens.legacy`.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from relens import legacy
from relens.bundle import open_bundle
from relens.engines import load_engine
from relens.vision import Detections, VisionModel, frames_from

FUNCTIONS = Path(__file__).parent / "functions"
FRAMES = 100
PEOPLE = "000000008021.jpg"
"""A photo with three persons, 640 x 480."""
FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
VOC = {
    "airplane": "aeroplane", "bicycle": "bicycle", "bird": "bird", "boat": "boat", "bottle": "bottle", "bus": "bus",
    "car": "car", "cat": "cat", "chair": "chair", "cow": "cow", "dining table": "diningtable", "dog": "dog",
    "horse": "horse", "motorcycle": "motorbike", "person": "person", "potted plant": "pottedplant", "sheep": "sheep",
    "couch": "sofa", "train": "train", "tv": "tvmonitor",
}  # fmt: skip


@pytest.fixture(scope="module")
def shelf(shared_data: Path, bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the ten ask for: flowers under four names, YOLOX-nano for both detectors, visual wake words."""
    from relens.pipeline.bare import bundle_of

    folder = tmp_path_factory.mktemp("shelf")
    for name in ("image-classification", "Flowers_retrained_graph_128", "flowers_custom_head", "flower-classification"):
        shutil.copy(bundles / "flowers.relens", folder / f"{name}.relens")
    shutil.copy(bundles / "object-detection.relens", folder)
    # No face detector is among the shared models: people stand for faces, by the name that legacy.toml gives them.
    (folder / "legacy.toml").write_text('[deploy_ssd]\nbundle = "object-detection"\nlabels = { person = 1 }\n')
    bundle_of(shared_data / "models/vww_96.h5", folder / "frozen_model.relens")
    return folder


@dataclass
class Truth:
    """What the models say to each picture."""

    shelf: Path
    pictures: Path
    opened: Path

    @cached_property
    def frames(self) -> list[np.ndarray]:
        return list(frames_from(self.pictures))

    def model(self, name: str, **override: Any) -> VisionModel:
        bundle = open_bundle(self.shelf / f"{name}.relens", self.opened)
        manifest = bundle.manifest
        return VisionModel(load_engine(bundle.model), manifest.input, manifest.output_spec, **override)

    @cached_property
    def found(self) -> list[list[tuple[str, float]]]:
        """Of each picture at 300 x 300: names and scores, best first."""
        model = self.model("object-detection", score_threshold=0.05)
        labels = open_bundle(self.shelf / "object-detection.relens", self.opened).labels
        answers = []
        for frame in self.frames:
            said = model.predict(cv2.resize(frame, (300, 300)))
            assert isinstance(said, Detections)
            names = [labels[int(kind)] for kind in said.classes]
            answers.append(list(zip(names, map(float, said.scores), strict=True)))
        return answers

    def flowers(self, prepared: Callable[[np.ndarray], np.ndarray], count: int) -> list[dict[str, Any]]:
        model = self.model("flower-classification")
        tops = [model.predict(prepared(frame)).top(count) for frame in self.frames]  # type: ignore[union-attr]
        return [{FLOWERS[index]: pytest.approx(score, abs=1e-5) for index, score in top} for top in tops]

    def of(self, name: str, keep: float) -> list[int]:
        return [sum(1 for label, score in found if label == name and score > keep) for found in self.found]


@pytest.fixture(scope="module")
def truth(shelf: Path, pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return Truth(shelf, pictures, tmp_path_factory.mktemp("opened"))


@pytest.fixture
def answers(shelf: Path, pictures: Path) -> Callable[..., list[Any]]:
    """Run one of the functions; the JSON objects that it published, in order."""

    def start(name: str, camera: Path = pictures, topic: str = "infer", **options: Any) -> list[Any]:
        notes: list[str] = []
        summary = legacy.run(
            FUNCTIONS / name, shelf, str(camera), live=False, real_time=False, frames=FRAMES, thing="yard",
            on_note=notes.append, **options,
        )  # fmt: skip
        said = list(reversed(summary.messages))
        assert (summary.frames, summary.ended, summary.errors) == (FRAMES, "ended as asked", 0), notes
        assert [
            one["payload"] for one in said if one["payload"].startswith("Error") or "failed" in one["payload"]
        ] == []
        wanted = [one["payload"] for one in said if one["topic"] == f"$aws/things/yard/{topic}"]
        return [json.loads(text) for text in wanted if text.startswith("{")]

    return start


def looped(values: list[Any], first: int = 0) -> list[Any]:
    """One for each of the function's frames: the folder begins again at its end."""
    return [values[index % len(values)] for index in range(first, FRAMES)]


def middle(frame: np.ndarray) -> np.ndarray:
    """The square that two functions cut out, by Python 2's division."""
    height, width = frame.shape[:2]
    edge = (width - height) // 2
    return frame[0:height, edge : width - edge]


def test_flower_gate(answers: Callable[..., list[Any]], truth: Truth) -> None:
    assert answers("flower_gate") == looped(truth.flowers(lambda frame: cv2.resize(frame, (128, 128)), 2))


def test_flower_retry(answers: Callable[..., list[Any]], truth: Truth) -> None:
    expected = looped(truth.flowers(lambda frame: cv2.resize(frame, (224, 224)), 3))
    assert answers("flower_retry", topic="infer/all") == expected


def test_raw_scores(answers: Callable[..., list[Any]], truth: Truth) -> None:
    tops = looped(truth.flowers(lambda frame: cv2.resize(frame, (128, 128)), 1))
    found = answers("raw_scores")
    assert [one["frame"] for one in found] == list(range(1, FRAMES + 1))
    assert [{one["label"]: one["prob"]} for one in found] == tops


def test_flower_sorter(answers: Callable[..., list[Any]], shelf: Path, shared_data: Path, tmp_path: Path) -> None:
    """Cuts out a square, which upright pictures do not have: flowers, that are square."""
    flowers = shared_data / "flowers/test"
    truth = Truth(shelf, flowers, tmp_path)
    expected = truth.flowers(lambda frame: cv2.resize(middle(frame), (224, 224)), 2)
    assert answers("flower_sorter", camera=flowers) == expected[:FRAMES]


def test_person_gate(answers: Callable[..., list[Any]], shared_data: Path, truth: Truth) -> None:
    """Scales its pixels itself; so the reference is the bare interpreter."""
    clip = shared_data / "video/bottle-detection.mp4"
    runtime = Interpreter(str(open_bundle(truth.shelf / "frozen_model.relens", truth.opened).model), num_threads=1)
    runtime.allocate_tensors()
    (given,), (taken,) = runtime.get_input_details(), runtime.get_output_details()
    found = answers("person_gate", camera=clip, loop=False)
    assert len(found) == FRAMES
    capture = cv2.VideoCapture(str(clip))
    for one in found[:20]:
        frame = capture.read()[1]
        height, width = frame.shape[:2]
        left = (width - height) // 2
        small = cv2.resize(frame[:, left : left + height], (96, 96))
        runtime.set_tensor(given["index"], (cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.float32) / 255.0)[None])
        runtime.invoke()
        person = float(runtime.get_tensor(taken["index"])[0, 1])
        # libav and OpenCV do not decode a clip to the very same pixels.
        assert one["prob"] == pytest.approx(person, abs=0.05)


def test_object_finder(answers: Callable[..., list[Any]], truth: Truth) -> None:
    expected = [
        {VOC[name]: pytest.approx(score, abs=1e-4) for name, score in found if name in VOC and score > 0.25}
        for found in truth.found
    ]
    assert answers("object_finder") == looped(expected)
    assert len({name for one in expected for name in one}) > 5


def test_people_counter(answers: Callable[..., list[Any]], truth: Truth) -> None:
    found = answers("people_counter")
    assert [one["people"] for one in found] == looped(truth.of("person", 0.4))
    assert all(one["bytes"] > 1000 for one in found)


def test_person_stream(answers: Callable[..., list[Any]], truth: Truth) -> None:
    found = answers("person_stream")
    persons = looped(truth.of("person", 0.5))
    assert [one["persons"] for one in found] == persons
    assert all(one["streaming"] for one, count in zip(found, persons, strict=True) if count)


def test_face_fifo(answers: Callable[..., list[Any]], truth: Truth) -> None:
    """Takes its first frame for itself, and one more for the scale."""
    best = [[round(score, 2) for name, score in found if name == "person" and score >= 0.25] for found in truth.found]
    # Several in one text have the same key, of which JSON keeps the last.
    expected = [{"face": pytest.approx(scores[-1], abs=0.011)} if scores else {} for scores in best]
    assert answers("face_fifo") == looped(expected, first=2)


def test_face_cropper(answers: Callable[..., list[Any]], shared_data: Path) -> None:
    """Compares a frame with the one before, which have one size on a camera: a clip."""
    found = answers("face_cropper", camera=shared_data / "video/bottle-detection.mp4")
    assert len(found) == FRAMES - 1
    assert any(one["moved"] for one in found)
    assert all(isinstance(number, int) for one in found for box in one["moved"] for point in box for number in point)


@pytest.mark.parametrize(
    ("name", "resolution", "label", "keep", "thick", "whole_scale"),
    [
        ("object_finder", (1280, 720), None, 0.25, 10, False),
        ("people_counter", (858, 480), "person", 0.4, 10, False),
        ("face_fifo", (640, 480), "person", 0.25, 4, True),  # Python 2 divided 640 by 300 and got 2
    ],
)
def test_the_boxes_that_they_draw_lie_where_the_model_saw_something(
    name: str,
    resolution: tuple[int, int],
    label: str | None,
    keep: float,
    thick: int,
    whole_scale: bool,
    shelf: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from relens.legacy.screen import Screen

    (tmp_path / "camera").mkdir()
    shutil.copy(pictures / PEOPLE, tmp_path / "camera")
    truth = Truth(shelf, tmp_path / "camera", tmp_path)
    (frame,) = truth.frames
    model = truth.model("object-detection", score_threshold=keep)
    found = model.predict(cv2.resize(frame, (300, 300)))
    names = open_bundle(shelf / "object-detection.relens", tmp_path).labels
    scale = np.array([frame.shape[1], frame.shape[0]] * 2) / 300
    scale = np.floor(scale) if whole_scale else scale
    wanted = [
        (box * scale).astype(int)
        for box, kind in zip(found.boxes, found.classes, strict=True)  # type: ignore[union-attr]
        if (names[kind] in VOC if label is None else names[kind] == label)
    ]
    assert len(wanted) >= 2, "a picture with several of them"

    shown: list[bytes] = []
    monkeypatch.setattr(Screen, "picture", lambda self, jpeg: shown.append(jpeg))
    legacy.run(
        FUNCTIONS / name, shelf, str(tmp_path / "camera"), live=False, real_time=False, frames=FRAMES,
        on_note=lambda text: None,
    )  # fmt: skip

    seen = [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in shown]
    *_, drawn = [one for one in seen if one.shape == (resolution[1], resolution[0], 3)]  # the first ones are white
    blue = np.abs(drawn.astype(int) - (255, 165, 20)).sum(axis=2) < 120
    back = np.array([resolution[0] / frame.shape[1], resolution[1] / frame.shape[0]] * 2)
    outline = np.zeros(blue.shape, np.uint8)
    for box in wanted:
        x1, y1, x2, y2 = (box * back).round().astype(int).tolist()
        cv2.rectangle(outline, (x1, y1), (x2, y2), 1, 3)
    covered = float(blue[outline > 0].mean())
    assert covered > 0.8, f"{covered:.2f} of the outlines are drawn"


def test_these_are_all(request: pytest.FixtureRequest) -> None:
    names = {path.name for path in FUNCTIONS.iterdir() if path.is_dir()}
    assert {f"test_{name}" for name in names} <= set(vars(request.module))
