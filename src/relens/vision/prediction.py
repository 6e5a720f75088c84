"""What a model says about one frame, in the frame's own pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Classes:
    """Scores of all classes: `scores` (C,) float32."""

    scores: NDArray[np.float32]

    def top(self, count: int = 5) -> list[tuple[int, float]]:
        """The `count` best classes as (index, score), best first."""
        order = np.argsort(-self.scores, kind="stable")[:count]
        return [(int(index), float(self.scores[index])) for index in order]


@dataclass(frozen=True)
class Detections:
    """Objects found: `boxes` (N, 4) float32 x1 y1 x2 y2 in frame pixels, `scores` (N,), `classes` (N,) int64."""

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True)
class Tensors:
    """Raw float outputs, by name, for models whose meaning only the user knows."""

    values: dict[str, NDArray[np.float32]]


Prediction: TypeAlias = Classes | Detections | Tensors


def class_name(labels: Sequence[str], index: int) -> str:
    """The label of a class, or its number where there is none."""
    return labels[index] if 0 <= index < len(labels) else str(index)


def to_json(prediction: Prediction, labels: Sequence[str]) -> dict[str, Any]:
    """A prediction as plain values, for logs, the live page and `--json`."""
    if isinstance(prediction, Classes):
        top = [{"label": class_name(labels, i), "index": i, "score": round(s, 4)} for i, s in prediction.top()]
        return {"kind": "classes", "classes": top}
    if isinstance(prediction, Detections):
        found = [
            {
                "label": class_name(labels, int(kind)),
                "index": int(kind),
                "score": round(float(score), 4),
                "box": [round(float(edge), 1) for edge in box],
            }
            for box, score, kind in zip(prediction.boxes, prediction.scores, prediction.classes, strict=True)
        ]
        return {"kind": "detections", "detections": found}
    shapes = {name: list(value.shape) for name, value in prediction.values.items()}
    return {"kind": "tensors", "shapes": shapes}
