"""Whether a camera's state has room, and stays when the power goes."""

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from relens.device.doctor.finding import Finding, fine, unknown, wrong

MOUNTS = Path("/proc/self/mounts")
VOLATILE = ("tmpfs", "ramfs", "devtmpfs", "rootfs")
BUNDLE_BYTES = 10_000_000
"""For a camera that has none yet."""
COPIES = 3
"""Of the next bundle: in the inbox, in the store, and its model unpacked."""
FEWEST_FILES = 1000


@dataclass(frozen=True)
class Room:
    """What a filesystem has left. files: None where it does not count them."""

    free_bytes: int
    files: int | None
    read_only: bool


def check_disk(store: Path, room: Room, bundle_bytes: int | None = None, kept_mb: float = 0) -> Finding:
    """What is free, beside what a new bundle and what is still to be kept take.

    Args:
        store: where a camera keeps its state.
        room: what its filesystem has left.
        bundle_bytes: size of the bundle that runs; None: a usual one.
        kept_mb: what events and samples may still take, in 1e6 bytes.
    """
    free_mb, bundle_mb = room.free_bytes / 1e6, COPIES * (bundle_bytes or BUNDLE_BYTES) / 1e6
    needed = f"{bundle_mb:.0f} MB for the next bundle, {kept_mb:.0f} MB for events and samples"
    found = existing(store)
    if room.read_only:
        mount = as_mount(found)
        return wrong("disk", f"{found} cannot be written: it is mounted read-only", f"mount -o remount,rw {mount}")
    if free_mb < bundle_mb + kept_mb:
        text = f"{free_mb:.0f} MB are free at {found}; {needed}"
        if free_mb >= bundle_mb:
            return wrong("disk", text, f"[keep] max_mb = {max(1, int(free_mb - bundle_mb) // 2)}    # in camera.toml")
        return wrong("disk", text, f"du -xh {as_mount(found)} | sort -h | tail    # shows what takes it")
    if room.files is not None and room.files < FEWEST_FILES:
        return wrong(
            "disk", f"{found} takes only {room.files} more files", f"du --inodes -x {as_mount(found)} | sort -n | tail"
        )
    return fine("disk", f"{free_mb:,.0f} MB are free at {found}; {needed}")


def check_lasting(store: Path, mounts: Path = MOUNTS) -> Finding:
    """Whether what is kept there is there after a reboot."""
    found = existing(store)
    try:
        mount, kind = mounted(found, mounts.read_text(encoding="utf-8"))
    except (OSError, LookupError):
        return unknown("lasting", f"{mounts} does not tell what {found} is on")
    if kind in VOLATILE:
        return wrong(
            "lasting",
            f"{found} is on {kind} ({mount}): gone after a reboot, and every bundle with it",
            "relens device doctor --state /var/lib/relens    # or any folder on a disk",
        )
    if kind == "overlay":
        return unknown("lasting", f"{found} is on an overlay ({mount}): stays for as long as the container does")
    return fine("lasting", f"{found} is on {kind} ({mount})")


def mounted(path: Path, mounts: str) -> tuple[Path, str]:
    """Where a path's filesystem is mounted, and its kind.

    Args:
        path: one that exists.
        mounts: as Linux writes them: device, place, kind, ...; spaces in octal.

    Raises:
        LookupError: none of them holds it.
    """
    real = path.resolve()
    rows = [line.split() for line in mounts.splitlines()]
    # The last one wins: it is mounted over the others.
    places = {
        Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), row[1])): row[2] for row in rows if row[2:]
    }
    for one in (real, *real.parents):
        if one in places:
            return one, places[one]
    raise LookupError(path)


def room_at(path: Path) -> Room:
    """What the filesystem of a path has left for this user; of one that does not exist, that of its parent.

    Raises:
        OSError: it cannot be asked.
    """
    found = os.statvfs(existing(path))
    return Room(
        found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None, bool(found.f_flag & os.ST_RDONLY)
    )


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder; 0 where there is none or it cannot be read."""
    return (
        sum(one.lstat().st_size for one in folder.rglob("*") if one.is_file())
        if os.access(folder, os.R_OK | os.X_OK)
        else 0
    )


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(one for one in (path, *path.absolute().parents) if os.path.exists(one))  # noqa: PTH110 - no errors


def as_mount(path: Path) -> str:
    """Where the filesystem of a path is mounted, for a shell."""
    return shlex.quote(str(next(one for one in (path.resolve(), *path.resolve().parents) if one.is_mount())))
