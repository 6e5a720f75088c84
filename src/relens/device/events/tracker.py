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
"""The least overlap of a track with a strong and with a weak box (ByteTrack's)."""
NEAR = 0.2
"""The least nearness to a strong box that no track overlaps, as on cameras of few frames a second."""

FORGIVEN = 1
"""A track outlives so many frames without it, also where they take longer than it is kept for."""


class Tracker:
    """Follows detections in the manner of ByteTrack (Zhang et al. 2022), class by class, in seconds.

    Strong boxes are matched first, then weak ones to tracks that stayed without; a weak box never starts a track.
    Beyond ByteTrack, a strong box that overlaps no track goes to the one that could have got there by now: at two
    frames a second, things leave their own outlines from frame to frame.

    Args:
        start_score: a box or class is strong from here on.
        keep_s: a track that has not been seen for so long is given up, if frames came often enough to see it.
    """

    def __init__(self, start_score: float = 0.5, keep_s: float = 1.0) -> None:
        self.start_score, self.keep_s = start_score, keep_s
        self._next_id = 1
        self._now_s = 0.0
        self._tracks = _Tracks.start(np.zeros(0, np.int64), _Seen.nothing(), 0.0)

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
        if isinstance(prediction, Classes):
            strong = np.flatnonzero(prediction.scores >= self.start_score)
            order = strong[np.argsort(-prediction.scores[strong], kind="stable")]
            return tuple(Thing(i, class_name(labels, i), float(prediction.scores[i]), row=i) for i in order.tolist())
        if not isinstance(prediction, Detections):
            return ()
        seen = _Seen.on(prediction, self.start_score)
        ids = self._follow(seen, now_s)
        edges = np.clip(seen.boxes / (width, height, width, height), 0, 1)
        found = zip(*(one.tolist() for one in (ids, seen.classes, seen.scores, edges, seen.rows)), strict=True)
        things = [
            Thing(one, class_name(labels, kind), score, tuple(box), row) for one, kind, score, box, row in found if one
        ]
        return tuple(sorted(things, key=lambda thing: -thing.score))

    def _follow(self, seen: "_Seen", now_s: float) -> NDArray[np.int64]:
        """The id of each box; 0 for weak ones that continue nothing."""
        passed_s, self._now_s = max(0.0, now_s - self._now_s), now_s
        tracks = self._tracks.expected(now_s, passed_s, self.keep_s)
        owners = _owners(tracks, seen)
        old, new = np.flatnonzero(owners >= 0), np.flatnonzero((owners < 0) & seen.strong)
        ids = np.zeros(len(owners), np.int64)
        ids[old] = tracks.ids[owners[old]]
        ids[new] = np.arange(self._next_id, self._next_id + len(new))
        self._next_id += len(new)
        self._tracks = tracks.continued(owners[old], seen.places[old], now_s)
        if len(new):
            self._tracks = self._tracks.joined(_Tracks.start(ids[new], seen[new], now_s))
        return ids


@dataclass(frozen=True)
class _Seen:
    """The boxes on one frame: `boxes` x1 y1 x2 y2 and `places` (N, 4) in pixels; the others (N,), `rows` those of the
    frame's detections.
    """

    boxes: NDArray[np.float64]
    places: NDArray[np.float64]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]
    strong: NDArray[np.bool_]
    rows: NDArray[np.int64]

    @classmethod
    def on(cls, found: Detections, start_score: float) -> "_Seen":
        """All but those that are no numbers, which would stay in a track for ever."""
        rows = np.flatnonzero(np.isfinite(found.boxes).all(axis=1) & np.isfinite(found.scores))
        boxes, scores = found.boxes[rows].astype(np.float64), found.scores[rows]
        return cls(boxes, to_places(boxes), scores, found.classes[rows], scores >= start_score, rows)

    @classmethod
    def nothing(cls) -> "_Seen":
        return cls.on(Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64)), 0)

    def __getitem__(self, rows: NDArray[np.int64]) -> "_Seen":
        return _Seen(*(values[rows] for values in vars(self).values()))


@dataclass(frozen=True)
class _Tracks:
    """What is followed, a row each: `ids`, `classes`, `seen_s`, and `missed`, on how many frames since then: (N,)."""

    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    seen_s: NDArray[np.float64]
    missed: NDArray[np.int64]
    motion: Motion

    @classmethod
    def start(cls, ids: NDArray[np.int64], seen: _Seen, now_s: float) -> "_Tracks":
        count = len(ids)
        return cls(ids, seen.classes, np.full(count, now_s), np.zeros(count, np.int64), Motion.start(seen.places))

    def expected(self, now_s: float, passed_s: float, keep_s: float) -> "_Tracks":
        """Those that still may be seen, where they should be by now."""
        unseen_s = now_s - self.seen_s
        kept = ((self.missed <= FORGIVEN) | (unseen_s < keep_s)) & (unseen_s < BLIND_S)
        tracks = self if kept.all() else self[np.flatnonzero(kept)]
        return replace(tracks, motion=tracks.motion.after(passed_s))

    def continued(self, rows: NDArray[np.int64], places: NDArray[np.float64], now_s: float) -> "_Tracks":
        """With those at `rows` seen now, at `places`."""
        seen_s, missed, state = self.seen_s.copy(), self.missed + 1, self.motion.state.copy()
        seen_s[rows], missed[rows] = now_s, 0
        state[:, rows] = self.motion[rows].corrected(places).state
        return _Tracks(self.ids, self.classes, seen_s, missed, Motion(state))

    def joined(self, others: "_Tracks") -> "_Tracks":
        mine, theirs = vars(self), vars(others)
        rows = {name: np.concatenate([mine[name], theirs[name]]) for name in mine if name != "motion"}
        return _Tracks(**rows, motion=Motion(np.concatenate([self.motion.state, others.motion.state], axis=1)))

    def __getitem__(self, rows: NDArray[np.int64]) -> "_Tracks":
        return _Tracks(*(values[rows] for values in vars(self).values()))


def _owners(tracks: _Tracks, seen: _Seen) -> NDArray[np.int64]:
    """The row of the track that each box continues, -1 for none."""
    owners = np.full(len(seen.boxes), -1, np.int64)
    if not len(tracks.ids) or not len(owners):
        return owners
    same_kind = tracks.classes[:, None] == seen.classes[None, :]
    likeness = overlaps(to_boxes(tracks.motion.place), seen.boxes) * same_kind
    for open_to, least in ((seen.strong, LIKE), (~seen.strong, LIKE_WEAK)):
        rows, columns = match(likeness * open_to, least)
        owners[columns] = rows
        likeness[rows] = 0
    alone = np.setdiff1d(np.arange(len(tracks.ids)), owners)
    left = np.flatnonzero(seen.strong & (owners < 0))
    if len(alone) and len(left):
        nearness = tracks.motion[alone].nearness(seen.places[left]) * same_kind[np.ix_(alone, left)]
        rows, columns = match(nearness, NEAR)
        owners[left[columns]] = alone[rows]
    return owners
