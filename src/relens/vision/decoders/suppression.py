"""Non-maximum suppression."""

import numpy as np
from numpy.typing import NDArray

from relens.vision.prediction import Detections


def iou(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box (4,) with others (N, 4), all x1 y1 x2 y2."""
    corner = np.maximum(box[:2], others[:, :2])
    opposite = np.minimum(box[2:], others[:, 2:])
    common = np.prod(np.clip(opposite - corner, 0, None), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    union: NDArray[np.float32] = np.maximum(area + areas - common, 1e-9)
    return np.asarray(common / union, np.float32)


def suppress(found: Detections, iou_threshold: float, limit: int) -> Detections:
    """Keep, class by class, the best of the boxes that overlap by more than `iou_threshold`; best first."""
    kept: list[int] = []
    for kind in np.unique(found.classes):
        rest = np.flatnonzero(found.classes == kind)
        rest = rest[np.argsort(-found.scores[rest], kind="stable")]
        while len(rest):
            best, rest = rest[0], rest[1:]
            kept.append(int(best))
            rest = rest[iou(found.boxes[best], found.boxes[rest]) <= iou_threshold]
    order = np.array(kept, np.int64)
    order = order[np.argsort(-found.scores[order], kind="stable")][:limit]
    return Detections(found.boxes[order], found.scores[order], found.classes[order])
