from pathlib import Path

import pytest

from relens.errors import DeviceTrouble
from relens.files import check_writable, write_whole


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "a"
    write_whole(target, [b"old"])
    write_whole(target, [b"n", b"ew"])
    assert target.read_bytes() == b"new" and list(tmp_path.iterdir()) == [target]


def test_a_writer_that_fails_half_way_leaves_the_old_file(tmp_path: Path) -> None:
    def parts():  # type: ignore[no-untyped-def]
        yield b"half"
        raise RuntimeError("no more")

    target = tmp_path / "a"
    write_whole(target, [b"old"])
    with pytest.raises(RuntimeError):
        write_whole(target, parts())
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    check_writable(tmp_path / "a")
    for place in (tmp_path / "nowhere" / "a", tmp_path):
        with pytest.raises(DeviceTrouble, match="RL-DEVICE-004"):
            check_writable(place)
