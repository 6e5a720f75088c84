"""Things that keep their id from frame to frame."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relens.device.events.event import BLIND_S, Thing
from relens.device.events.matching import match, overlaps
from relens.device.events.motion import Motion, to_boxes, to_places
from relens.vision import Classes, Detections, Prediction, class_name

LIKE, LIKE_WEAK = 0.2, 0.5
"""The least overlap with a strong and with a weak box (ByteTrack's)."""


@dataclass(frozen=True)
class _Tracks:
    """What is followed, a row each. missed: not on the frame before."""

    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    seen_s: NDArray[np.float64]
    missed: NDArray[np.bool_]
    motion: Motion

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: NDArray[np.int64]) -> "_Tracks":
        return _Tracks(self.ids[rows], self.classes[rows], self.seen_s[rows], self.missed[rows], self.motion[rows])

    def __add__(self, others: "_Tracks") -> "_Tracks":
        return _Tracks(
            np.concatenate([self.ids, others.ids]),
            np.concatenate([self.classes, others.classes]),
            np.concatenate([self.seen_s, others.seen_s]),
            np.concatenate([self.missed, others.missed]),
            self.motion + others.motion,
        )


def _new(ids: NDArray[np.int64], classes: NDArray[np.int64], places: NDArray[np.float64], now_s: float) -> _Tracks:
    return _Tracks(ids, classes, np.full(len(ids), now_s), np.zeros(len(ids), np.bool_), Motion.start(places))


class Tracker:
    """Follows detections in the manner of ByteTrack (Zhang et al. 2022), class by class, in seconds.

    Strong boxes are matched first, then weak ones to tracks that stayed without; a weak box never starts a track.

    Args:
        start_score: a box or class is strong from here on.
        keep_s: a track that has not been seen for so long is given up. Frames may be further apart than this.
    """

    def __init__(self, start_score: float = 0.5, keep_s: float = 1.0) -> None:
        self.start_score, self.keep_s = start_score, keep_s
        self._next_id = 1
        self._now_s = 0.0
        self._tracks = _none()

    def update(
        self, prediction: Prediction, labels: Sequence[str], width: int, height: int, now_s: float
    ) -> tuple[Thing, ...]:
        """The things on one frame, each seen on it, the best first.

        Args:
            prediction: detections get ids that last; a class's id is its index, and only strong ones are things;
                tensors show no things.
            labels: names of the classes.
            width: of the frame, in pixels.
            height: of the frame, in pixels.
            now_s: when the frame was taken; any clock that only goes forward.
        """
        if isinstance(prediction, Detections):
            return self._follow(prediction, labels, np.array([width, height] * 2, np.float64), now_s)
        if isinstance(prediction, Classes):
            strong = np.flatnonzero(prediction.scores >= self.start_score)
            order = strong[np.argsort(-prediction.scores[strong], kind="stable")]
            return tuple(Thing(i, class_name(labels, i), float(prediction.scores[i])) for i in order.tolist())
        return ()

    def _follow(
        self, found: Detections, labels: Sequence[str], extent: NDArray[np.float64], now_s: float
    ) -> tuple[Thing, ...]:
        usable = np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores)
        boxes, scores, classes = found.boxes[usable].astype(np.float64), found.scores[usable], found.classes[usable]
        strong = scores >= self.start_score
        tracks = self._expected(now_s)
        owners = np.full(len(boxes), -1, np.int64)
        likeness = overlaps(to_boxes(tracks.motion.place), boxes)
        likeness[tracks.classes[:, None] != classes[None, :]] = 0
        rows, columns = match(np.where(strong, likeness, 0), LIKE)
        owners[columns] = rows
        likeness[rows] = 0
        rows, columns = match(np.where(strong, 0, likeness), LIKE_WEAK)
        owners[columns] = rows
        ids = self._go_on(tracks, owners, to_places(boxes), classes, strong, now_s)
        shown = np.flatnonzero(ids >= 0)
        edges = np.clip(boxes / extent, 0, 1).tolist()
        return tuple(
            Thing(int(ids[i]), class_name(labels, int(classes[i])), float(scores[i]), tuple(edges[i]))
            for i in shown[np.argsort(-scores[shown], kind="stable")].tolist()
        )

    def _expected(self, now_s: float) -> _Tracks:
        """The tracks that still may be seen, moved to where they should be by now."""
        passed_s = max(0.0, now_s - self._now_s)
        self._now_s = now_s
        if passed_s > BLIND_S:
            return _none()
        tracks = self._tracks
        # One that was there on the frame before is not lost, however long ago that was.
        kept = np.flatnonzero(~tracks.missed | (now_s - tracks.seen_s <= self.keep_s))
        tracks = tracks[kept]
        return replace(tracks, motion=tracks.motion.after(passed_s))

    def _go_on(
        self,
        tracks: _Tracks,
        owners: NDArray[np.int64],
        places: NDArray[np.float64],
        classes: NDArray[np.int64],
        strong: NDArray[np.bool_],
        now_s: float,
    ) -> NDArray[np.int64]:
        """Take in what was seen; returns each box's id, -1 for weak ones that continue nothing."""
        ids = np.full(len(owners), -1, np.int64)
        old, new = np.flatnonzero(owners >= 0), np.flatnonzero((owners < 0) & strong)
        ids[old] = tracks.ids[owners[old]]
        ids[new] = np.arange(self._next_id, self._next_id + len(new))
        self._next_id += len(new)
        seen = tracks[owners[old]]
        seen = _Tracks(seen.ids, seen.classes, np.full(len(old), now_s), np.zeros(len(old), np.bool_),
                       seen.motion.corrected(places[old]))
        unseen = tracks[np.setdiff1d(np.arange(len(tracks)), owners[old])]
        unseen = replace(unseen, missed=np.ones(len(unseen), np.bool_))
        self._tracks = seen + unseen + _new(ids[new], classes[new], places[new], now_s)
        return ids


def _none() -> _Tracks:
    return _new(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 4)), 0.0)
