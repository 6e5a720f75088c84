"""The watch is awake."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

Open = Callable[[str, Path], dict[str, Any]]


def test_a_good_bundle_opens_in_the_small_room(opener: Open, bundle_file: Path, tmp_path: Path) -> None:
    assert opener(str(bundle_file), tmp_path)["code"] == "opened"
    assert [file.suffix for file in tmp_path.iterdir()] == [".tflite"]


def test_the_room_is_small(opener: Open, tmp_path: Path) -> None:
    assert opener("gorge", tmp_path)["code"] == "MemoryError"
