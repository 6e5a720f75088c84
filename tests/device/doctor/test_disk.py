"""Room for a camera's state, on a disk that lasts."""

import os
import shutil
from pathlib import Path

import pytest

from relens.device.doctor.disk import Room, check_disk, check_lasting, existing, mounted, room_at, size_of

MB = 1_000_000
MOUNTS = """/dev/root / ext4 rw,relatime 0 0
tmpfs /run tmpfs rw 0 0
/dev/sda1 /media/my\\040card vfat rw 0 0
overlay /merged overlay rw,lowerdir=/a,upperdir=/b 0 0
tmpfs /media/my\\040card tmpfs rw 0 0
"""


def room(mb: float, *, files: int | None = 10**6, read_only: bool = False) -> Room:
    return Room(int(mb * MB), files, read_only)


def test_there_has_to_be_room_for_three_copies_of_the_next_bundle_and_what_is_kept(tmp_path: Path) -> None:
    assert check_disk(tmp_path, room(221), 7 * MB, 200).ok is True
    short = check_disk(tmp_path, room(220), 7 * MB, 200)
    assert short.ok is False and "220 MB are free" in short.text and "21 MB for the next bundle" in short.text, short
    assert short.mend.startswith("[keep] max_mb = 99")


def test_where_not_even_a_bundle_has_room_something_else_has_to_go(tmp_path: Path) -> None:
    found = check_disk(tmp_path, room(20), 7 * MB)
    assert found.ok is False and found.mend.startswith("du -xh "), found
    assert check_disk(tmp_path, room(29)).ok is False, "a usual bundle has 10 MB"


def test_a_disk_can_be_read_only_or_have_no_more_files(tmp_path: Path) -> None:
    locked, crowded = check_disk(tmp_path, room(1000, read_only=True)), check_disk(tmp_path, room(1000, files=999))
    assert locked.ok is False and "remount,rw" in locked.mend, locked
    assert crowded.ok is False and "999 more files" in crowded.text, crowded
    assert check_disk(tmp_path, room(1000, files=None)).ok is True, "btrfs does not count them"


def test_the_room_is_that_of_the_folder_to_be(tmp_path: Path) -> None:
    found, usage = room_at(tmp_path / "not" / "there"), shutil.disk_usage(tmp_path)
    assert found.free_bytes == pytest.approx(usage.free, abs=100 * MB) and not found.read_only
    assert existing(tmp_path / "not" / "there") == tmp_path


def test_the_mount_that_holds_a_path_is_the_nearest_and_the_last() -> None:
    kinds = {
        path: mounted(Path(path), MOUNTS) for path in ("/var/lib", "/run/relens", "/media/my card/state", "/merged")
    }
    assert kinds == {
        "/var/lib": (Path("/"), "ext4"),
        "/run/relens": (Path("/run"), "tmpfs"),
        "/media/my card/state": (Path("/media/my card"), "tmpfs"),
        "/merged": (Path("/merged"), "overlay"),
    }


def test_memory_is_no_place_for_a_state(tmp_path: Path) -> None:
    def check(kind: str) -> bool | None:
        (tmp_path / "mounts").write_text(f"dev / {kind} rw 0 0\n")
        return check_lasting(tmp_path / "state", tmp_path / "mounts").ok

    assert [check(kind) for kind in ("ext4", "tmpfs", "ramfs", "overlay")] == [True, False, False, None]
    assert check_lasting(tmp_path, tmp_path / "nothing").ok is None


@pytest.mark.skipif(not os.path.ismount("/dev/shm"), reason="no tmpfs is mounted there")
def test_a_real_tmpfs_is_seen() -> None:
    found = check_lasting(Path("/dev/shm/relens"))
    assert found.ok is False and "gone after a reboot" in found.text and found.mend, found


def test_the_size_of_a_folder_is_that_of_its_files(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(bytes(5))
    (tmp_path / "c").write_bytes(bytes(7))
    assert (size_of(tmp_path), size_of(tmp_path / "nothing")) == (12, 0)
