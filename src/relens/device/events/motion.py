"""Where things will be: position and velocity, guessed from noisy boxes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

# ByteTrack's noise, which is given a frame of 30 a second, said in seconds; all in sizes of the thing. Columns:
# centre x, centre y, width, height. Sizes have no velocity: they follow what is seen.
MEASURED = (1 / 20) ** 2
DRIFT_PER_S = 30 * (1 / 20) ** 2
STARTING = np.array([1.0, 1.0, 0.0, 0.0]) * (30 * 10 / 160) ** 2
SAME_SIZE = np.log(1.5)
TURNING_PER_S = np.array([1.0, 1.0, 0.0, 0.0]) * 30 * (30 / 160) ** 2


@dataclass(frozen=True)
class Motion:
    """A Kalman filter of constant velocity for N things at once.

    SORT's and ByteTrack's noise is independent from coordinate to coordinate, so their 8 x 8 covariance falls apart
    into four of 2 x 2, which plain array arithmetic can do for all things together (Bewley et al. 2016, Zhang et al.
    2022).

    state: (5, N, 4) place (centre x, centre y, width, height in pixels), speed (pixels a second), variance of the
    place, covariance of place and speed, variance of the speed.
    """

    state: Values

    @property
    def place(self) -> Values:
        """Centre x, centre y, width, height: (N, 4)."""
        place: Values = self.state[0]
        return place

    @classmethod
    def start(cls, places: Values) -> "Motion":
        """Things seen for the first time, at places (N, 4)."""
        scale, nothing = _scale(places), np.zeros_like(places)
        return cls(np.stack([places, nothing, 4 * MEASURED * scale, nothing, STARTING * scale]))

    def after(self, seconds: float) -> "Motion":
        """Where they should be by then."""
        place, speed, variance, mixed, unrest = self.state
        aged = seconds * _scale(place)
        return Motion(
            np.stack(
                [
                    place + seconds * speed,
                    speed,
                    variance + seconds * (2 * mixed + seconds * unrest) + DRIFT_PER_S * aged,
                    mixed + seconds * unrest,
                    unrest + TURNING_PER_S * aged,
                ]
            )
        )

    def corrected(self, seen: Values) -> "Motion":
        """With what was seen now: places (N, 4), one for each."""
        place, speed, variance, mixed, unrest = self.state
        surprise, whole = seen - place, variance + MEASURED * _scale(place)
        gain, turn = variance / whole, mixed / whole
        return Motion(
            np.stack(
                [
                    place + gain * surprise,
                    speed + turn * surprise,
                    variance * (1 - gain),
                    mixed * (1 - gain),
                    unrest - turn * mixed,
                ]
            )
        )

    def nearness(self, seen: Values) -> Values:
        """How well places (M, 4) fit what is expected of each thing: (N, M), 0..1.

        exp(-d^2 / 2) of the Mahalanobis distance d between the centres; 0 for another size.
        """
        place, _, variance, _, _ = self.state
        whole = variance + MEASURED * _scale(place)
        apart = ((seen[None, :, :2] - place[:, None, :2]) ** 2 / whole[:, None, :2]).sum(axis=2)
        grown = np.abs(np.log(seen[None, :, 2:] / place[:, None, 2:])).max(axis=2)
        return np.asarray(np.exp(-apart / 2) * (grown < SAME_SIZE))

    def __getitem__(self, rows: NDArray[np.int64]) -> "Motion":
        return Motion(self.state[:, rows])


def to_places(boxes: Values) -> Values:
    """Boxes (N, 4) x1 y1 x2 y2 to centre x, centre y, width, height; at least one pixel wide and high."""
    corner, opposite = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(corner + opposite) / 2, np.maximum(opposite - corner, 1)], axis=1)


def to_boxes(places: Values) -> Values:
    """The way back."""
    centre, half = places[:, :2], places[:, 2:] / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _scale(places: Values) -> Values:
    """The area of each thing, once for each of its coordinates: (N, 4)."""
    return np.repeat(np.maximum(places[:, 2:3] * places[:, 3:4], 1), 4, axis=1)
