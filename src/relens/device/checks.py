"""Comparisons behind an acceptance: what the camera computed against what the bundle expects. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relens.vision import Classes, Detections, Prediction
from relens.vision.decoders.suppression import iou

NEAR_TIE = 0.02
LEAST_IOU = 0.5
LEAST_FOUND = 0.8


@dataclass(frozen=True)
class Check:
    """One line of an acceptance: what was wanted and what this machine gave."""

    name: str
    passed: bool
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{'ok     ' if self.passed else 'REFUSED'} {self.name}: expected {self.expected}, found {self.found}"


def relative_rms(found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    """Root mean square of the difference over that of the expected values; infinite where it has no meaning."""
    if found.shape != expected.shape or not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return float("inf")
    difference = float(np.sqrt(np.mean(np.square(found - expected, dtype=np.float64))))
    size = float(np.sqrt(np.mean(np.square(expected, dtype=np.float64))))
    if size == 0:
        return 0.0 if difference == 0 else float("inf")
    return difference / size


def output_check(name: str, errors: Sequence[tuple[str, float]], tolerance: float) -> Check:
    """One output over all golden frames, by its worst one; `errors` are (frame's name, relative RMS)."""
    worst, error = max(errors, key=lambda pair: pair[1])
    found = f"{error:.2g} (worst of {len(errors)} frames: {worst})"
    if not np.isfinite(error):
        found = f"values that are missing or not finite (frame {worst})"
    return Check(f"output `{name}`", error <= tolerance, f"relative RMS error <= {tolerance:.2g}", found)


def goal_check(name: str, goal: float | None, value: float, unit: str, found: str) -> Check:
    """A measured value against a goal, which may not be set."""
    expected = "no goal" if goal is None else f"<= {goal:g} {unit}"
    return Check(name, goal is None or value <= goal, expected, found)


def agrees(found: Prediction, expected: Prediction) -> bool:
    """Whether two predictions of one frame say the same.

    Classes: the same best one, unless the expected best two lie within 0.02. Detections: at least 80 % of the
    expected boxes found again, with the same class and an IoU of at least 0.5. Tensors: nothing to compare.
    """
    if isinstance(found, Classes) and isinstance(expected, Classes):
        best = expected.top(2)
        tie = len(best) == 2 and best[0][1] - best[1][1] < NEAR_TIE
        return tie or found.top(1)[0][0] == best[0][0]
    if isinstance(found, Detections) and isinstance(expected, Detections):
        return _found_again(found, expected) >= LEAST_FOUND
    return True


def _found_again(found: Detections, expected: Detections) -> float:
    """The fraction of expected boxes that have a partner; each found box is partner of one at most."""
    free = np.ones(len(found), bool)
    matched = 0
    for box, kind in zip(expected.boxes, expected.classes, strict=True):
        overlap = np.where(free & (found.classes == kind), iou(box, found.boxes), 0.0)
        if len(overlap) and overlap.max() >= LEAST_IOU:
            free[int(overlap.argmax())] = False
            matched += 1
    return matched / len(expected) if len(expected) else 1.0
