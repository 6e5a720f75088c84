"""MediaPipe's BlazeFace: boxes as pixel offsets from fixed anchors.

Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs" (2019).
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from relens.graph import Tensor
from relens.spec import Strict, Task
from relens.vision.decoders import misfit
from relens.vision.decoders.suppression import suppress
from relens.vision.decoders.yolo import grid
from relens.vision.placement import Placement
from relens.vision.prediction import Detections


class BlazeFaceConfig(Strict):
    """strides and anchors: pixels between cells, and boxes a cell, of each level."""

    strides: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(8, 16), min_length=1)
    anchors: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(2, 6), min_length=1)
    score_threshold: float = Field(default=0.5, ge=0, le=1)
    iou_threshold: float = Field(default=0.3, ge=0, le=1)
    max_detections: int = Field(default=20, ge=1)


class BlazeFace:
    """Reads boxes (1, N, 4 + 2 * keypoints) and scores (1, N, 1), told apart by their last axis."""

    Config: ClassVar[type[Strict]] = BlazeFaceConfig
    task: ClassVar[Task] = "detection"

    def __init__(self, config: BlazeFaceConfig, outputs: Sequence[Tensor], input_size: tuple[int, int]) -> None:
        wide = [tensor for tensor in outputs if tensor.shape[-1] >= 4]
        narrow = [tensor for tensor in outputs if tensor.shape[-1] == 1]
        if len(config.anchors) != len(config.strides):
            raise misfit("blazeface", "as many `anchors` as `strides`", outputs)
        cells, scale = grid(input_size, config.strides)
        repeats = np.repeat(config.anchors, [(input_size[0] // s) * (input_size[1] // s) for s in config.strides])
        self.centres = np.repeat((cells + 0.5) * scale[:, None], repeats, axis=0)
        if len(wide) != 1 or len(narrow) != 1 or wide[0].shape[1] != len(self.centres):
            raise misfit("blazeface", f"boxes (1, {len(self.centres)}, 16) and scores (1, N, 1)", outputs)
        self.config = config
        self.boxes, self.scores = wide[0].name, narrow[0].name

    def decode(self, outputs: Mapping[str, NDArray[np.float32]], placement: Placement) -> Detections:
        """Faces in frame pixels, best first; class 0."""
        scores = 1 / (1 + np.exp(-np.clip(outputs[self.scores].reshape(-1), -80, 80)))
        rows = np.flatnonzero(scores >= self.config.score_threshold)
        raw = outputs[self.boxes][0, rows]
        centre, size = raw[:, :2] + self.centres[rows], raw[:, 2:4]
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1).astype(np.float32)
        found = Detections(boxes, scores[rows].astype(np.float32), np.zeros(len(rows), np.int64))
        kept = suppress(found, self.config.iou_threshold, self.config.max_detections)
        return Detections(placement.to_frame(kept.boxes), kept.scores, kept.classes)
