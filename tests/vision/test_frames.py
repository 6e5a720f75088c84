from pathlib import Path

import cv2
import numpy as np
import pytest

from relens.errors import BadData
from relens.vision import frames_from, read_picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(10):
        (tmp_path / f"{number % 2}").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / f"{number % 2}/{number}.png"), np.full((8, 8, 3), number, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_folder_is_read_in_path_order_and_thinned_evenly(folder: Path) -> None:
    frames = frames_from(folder)
    assert frames.names[:2] == ("0/0.png", "0/2.png") and len(frames) == 10
    assert frames.spread(3).names == ("0/0.png", "0/8.png", "1/9.png")
    assert frames_from(folder, 3)[2][0, 0, 0] == 9


def test_the_hash_is_of_content_and_order_not_of_place(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other") / "copy"
    folder.rename(other)
    before = frames_from(other).sha256
    cv2.imwrite(str(other / "0/0.png"), np.zeros((8, 8, 3), np.uint8) + 1)
    assert frames_from(other).sha256 != before


def test_a_clip_gives_its_frames_evenly(shared_data: Path) -> None:
    frames = frames_from(shared_data / "video/bottle-detection.mp4", 4)
    assert [name[-6:] for name in frames.names] == ["000000", "000396", "000792", "001188"]
    assert frames[3].shape == (360, 640, 3)


def test_what_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"not a jpeg")
    for path in (tmp_path / "a.jpg", tmp_path / "gone.jpg"):
        with pytest.raises(BadData, match=path.name):
            read_picture(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadData, match="holds no pictures"):
        frames_from(tmp_path / "empty")
    (tmp_path / "a.mp4").write_bytes(b"not a clip")
    with pytest.raises(BadData, match=r"a\.mp4"):
        frames_from(tmp_path / "a.mp4")
