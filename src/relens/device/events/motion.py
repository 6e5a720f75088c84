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
TURNING_PER_S = np.array([1.0, 1.0, 0.0, 0.0]) * 30 * (30 / 160) ** 2


@dataclass(frozen=True)
class Motion:
    """A Kalman filter of constant velocity for N things at once.

    SORT's and ByteTrack's noise is independent from coordinate to coordinate, so their 8 x 8 covariance falls apart
    into four of 2 x 2, which plain array arithmetic can do for all things together (Bewley et al. 2016, Zhang et al.
    2022).

    place, speed: (N, 4) centre x, centre y, width, height in pixels, and pixels a second.
    variance: (N, 4) of the place. mixed: (N, 4) covariance of place and speed. unrest: (N, 4) variance of the speed.
    """

    place: Values
    speed: Values
    variance: Values
    mixed: Values
    unrest: Values

    @classmethod
    def start(cls, places: Values) -> "Motion":
        """Things seen for the first time, at places (N, 4)."""
        scale = _scale(places)
        nothing = np.zeros_like(places)
        return cls(places, nothing, 4 * MEASURED * scale, nothing, STARTING * scale)

    def after(self, seconds: float) -> "Motion":
        """Where they should be by then."""
        scale = _scale(self.place)
        place = self.place + self.speed * seconds
        variance = self.variance + 2 * seconds * self.mixed + seconds**2 * self.unrest + DRIFT_PER_S * seconds * scale
        mixed = self.mixed + seconds * self.unrest
        return Motion(place, self.speed, variance, mixed, self.unrest + TURNING_PER_S * seconds * scale)

    def corrected(self, seen: Values) -> "Motion":
        """With what was seen now: places (N, 4), one for each."""
        surprise = seen - self.place
        whole = self.variance + MEASURED * _scale(self.place)
        gain, turn = self.variance / whole, self.mixed / whole
        return Motion(
            self.place + gain * surprise,
            self.speed + turn * surprise,
            self.variance * (1 - gain),
            self.mixed * (1 - gain),
            self.unrest - turn * self.mixed,
        )

    def __getitem__(self, rows: NDArray[np.int64]) -> "Motion":
        return Motion(*(values[rows] for values in self._values()))

    def __add__(self, others: "Motion") -> "Motion":
        """These, then the others."""
        pairs = zip(self._values(), others._values(), strict=True)
        return Motion(*(np.concatenate(pair) for pair in pairs))

    def _values(self) -> tuple[Values, ...]:
        return self.place, self.speed, self.variance, self.mixed, self.unrest


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
