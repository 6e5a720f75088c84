"""Pictures in a fixed order, from a folder, a list of files or a clip, with a content hash."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np

from relens.errors import BadData
from relens.vision.preprocess import Frame

PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
CLIP_SUFFIXES = frozenset({".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v"})


@dataclass(frozen=True)
class Frames:
    """Pictures with names. Files are read when asked for; a clip's sampled frames are kept in memory."""

    names: tuple[str, ...]
    files: tuple[Path, ...] = ()
    pictures: tuple[Frame, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Frame:
        return self.pictures[index] if self.pictures else read_picture(self.files[index])

    def __iter__(self) -> Iterator[Frame]:
        return (self[index] for index in range(len(self)))

    @cached_property
    def sha256(self) -> str:
        """Over all pictures, in order (file bytes, or a clip's decoded pixels)."""
        digest = hashlib.sha256()
        for index in range(len(self)):
            content = self.pictures[index].tobytes() if self.pictures else self.files[index].read_bytes()
            digest.update(hashlib.sha256(content).digest())
        return digest.hexdigest()

    def spread(self, count: int | None) -> "Frames":
        """At most `count` of them, evenly spread."""
        if count is None or len(self) <= count:
            return self
        return self.chosen(evenly(len(self), count))

    def chosen(self, places: Sequence[int]) -> "Frames":
        """The pictures at these places."""
        return Frames(
            tuple(self.names[i] for i in places),
            tuple(self.files[i] for i in places) if self.files else (),
            tuple(self.pictures[i] for i in places) if self.pictures else (),
        )


def evenly(total: int, limit: int | None) -> list[int]:
    """Indices of at most `limit` out of `total` things, evenly spread, the first and the last among them."""
    if limit is None or total <= limit:
        return list(range(total))
    return [int(index) for index in np.linspace(0, total - 1, limit).round()]


def held_out(total: int, count: int, seed: int) -> tuple[list[int], list[int]]:
    """Indices of the pictures to learn from, and of `count` to judge by, drawn at random; both in order."""
    order = np.random.default_rng(seed).permutation(total)
    return sorted(order[count:].tolist()), sorted(order[:count].tolist())


def read_picture(path: Path) -> Frame:
    """Read a picture file as (H, W, 3) uint8 BGR, turned upright by its EXIF orientation.

    Raises:
        BadData: RL-DATA-002 when it is missing or not a picture.
    """
    data = np.fromfile(path, np.uint8) if path.is_file() else np.empty(0, np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    if picture is None:
        raise BadData("RL-DATA-002", f"{path} is missing or not a picture", hint="remove it or replace it")
    return np.asarray(picture, np.uint8)


def frames_from(path: Path, limit: int | None = None) -> Frames:
    """Pictures of a folder (and its folders, in path order) or frames of a clip, at most `limit`, evenly spread.

    Raises:
        BadData: RL-DATA-001 when there are none, RL-DATA-002 when the clip cannot be read.
    """
    if path.is_dir():
        files = [file for file in sorted(path.rglob("*")) if file.suffix.lower() in PICTURE_SUFFIXES]
        if not files:
            known = " ".join(sorted(PICTURE_SUFFIXES))
            raise BadData("RL-DATA-001", f"{path} holds no pictures", hint=f"pictures end in one of {known}")
        return frames_from_files(files, root=path).spread(limit)
    if path.suffix.lower() in CLIP_SUFFIXES:
        return _from_clip(path, limit)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return frames_from_files([path], root=path.parent)
    raise BadData("RL-DATA-001", f"{path} is neither a folder, a picture nor a clip", hint="name one of these")


def frames_from_files(files: Sequence[Path], root: Path) -> Frames:
    """The given files, named relative to `root`."""
    return Frames(tuple(os.path.relpath(file, root) for file in files), tuple(files))


def _from_clip(path: Path, limit: int | None) -> Frames:
    try:
        with av.open(str(path)) as clip:
            total = sum(1 for _ in clip.decode(video=0))
        wanted = set(evenly(total, limit))
        with av.open(str(path)) as clip:
            pictures = tuple(
                frame.to_ndarray(format="bgr24") for index, frame in enumerate(clip.decode(video=0)) if index in wanted
            )
    except (av.FFmpegError, IndexError, OSError) as trouble:
        raise BadData("RL-DATA-002", f"{path} cannot be read as a clip: {trouble}", hint="replace it") from None
    if not pictures:
        raise BadData("RL-DATA-001", f"{path} holds no frames", hint="replace it")
    names = tuple(f"{path.stem}-{index:06d}" for index in sorted(wanted))
    return Frames(names, pictures=pictures)
