"""Doubtful frames as a data set."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from relens.device.loop import LiveFrame
from relens.device.samples import Samples, unsure
from relens.spec import SampleSettings
from relens.vision import Classes, Detections, Prediction, Tensors, frames_from


def classes(*scores: float) -> Classes:
    return Classes(np.array(scores, np.float32))


def detections(*scores: float) -> Detections:
    count = len(scores)
    return Detections(np.zeros((count, 4), np.float32), np.array(scores, np.float32), np.zeros(count, np.int64))


@pytest.mark.parametrize(
    ("prediction", "doubt"),
    [
        (classes(0.5, 0.5), 1.0),
        (classes(0.1, 0.9), 0.2),
        (classes(1.0), 0.0),
        (detections(0.9, 0.5), 1.0),
        (detections(0.9, 0.3), 0.6),
        (detections(), 0.0),
        (Tensors({}), 0.0),
    ],
)
def test_doubt_is_how_near_another_answer_was(prediction: Prediction, doubt: float) -> None:
    assert unsure(prediction) == pytest.approx(doubt, abs=1e-6)


def live(level: int, prediction: Prediction) -> LiveFrame:
    return LiveFrame(0, np.full((48, 64, 3), level, np.uint8), prediction, {}, 0.0)


def test_doubtful_frames_are_kept_as_rarely_as_told_and_can_be_read_as_pictures(tmp_path: Path) -> None:
    now = [0.0]
    samples = Samples(tmp_path / "samples", SampleSettings(per_hour=60), lambda: now[0])

    for second in range(0, 300, 10):
        now[0] = float(second)
        samples.publish(live(200, classes(0.1, 0.9)))
        samples.publish(live(100, classes(0.5, 0.5)))

    frames = frames_from(tmp_path / "samples")
    assert len(frames) == 5
    assert {round(frame.mean()) for frame in frames} == {100}


def test_the_oldest_make_room(tmp_path: Path) -> None:
    now, folder = [0.0], tmp_path / "samples"
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)
    size = len(cv2.imencode(".jpg", noise, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
    samples = Samples(folder, SampleSettings(per_hour=3600, max_mb=3.5 * size / 1e6), lambda: now[0])

    kept: list[set[str]] = []
    for second in range(6):
        now[0] = float(2 * second)
        samples.publish(LiveFrame(0, noise, classes(0.5, 0.5), {}, 0.0))
        kept.append({one.name for one in folder.iterdir()})

    assert [len(names) for names in kept] == [1, 2, 3, 3, 3, 3]
    assert kept[-1] == set(sorted(set().union(*kept))[-3:])
