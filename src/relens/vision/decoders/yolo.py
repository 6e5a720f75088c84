"""YOLO-type grids: one row a cell, with a box, an objectness where the family has one, and class scores."""

from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from relens.graph import Tensor
from relens.spec import Strict, Task
from relens.vision.decoders import misfit
from relens.vision.decoders.suppression import suppress
from relens.vision.placement import Placement
from relens.vision.prediction import Detections


class YoloConfig(Strict):
    """How to read the rows.

    boxes: `grid` = centre as an offset from the cell and size as a logarithm, both in strides (YOLOX);
        `xywh` = centre and size, `xyxy` = corners, both in input pixels (or fractions with `normalized`).
    objectness: whether column 4 is an objectness that multiplies the class scores (YOLOX, YOLOv5; not YOLOv8).
    activation: what is still to be applied to objectness and class scores.
    score_threshold: boxes below it are not shown (evaluation sets its own, lower one).
    """

    boxes: Literal["grid", "xywh", "xyxy"] = "grid"
    strides: tuple[Annotated[int, Field(gt=0)], ...] = Field(default=(8, 16, 32), min_length=1)
    normalized: bool = False
    objectness: bool = True
    activation: Literal["none", "sigmoid"] = "none"
    score_threshold: float = Field(default=0.3, ge=0, le=1)
    iou_threshold: float = Field(default=0.5, ge=0, le=1)
    max_detections: int = Field(default=100, ge=1)


class Yolo:
    """Reads one output (1, N, 4 [+ 1] + classes) or its transpose."""

    Config: ClassVar[type[Strict]] = YoloConfig
    task: ClassVar[Task] = "detection"

    def __init__(self, config: YoloConfig, outputs: Sequence[Tensor], input_size: tuple[int, int]) -> None:
        if len(outputs) != 1 or len(outputs[0].shape) != 3:
            raise misfit("yolo", "one output of shape (1, cells, values) or (1, values, cells)", outputs)
        self.config = config
        self.output = outputs[0].name
        self.input_size = input_size
        rows, columns = outputs[0].shape[1:]
        self.transposed = columns > rows
        cells = max(rows, columns)
        if config.boxes == "grid":
            self.cells, self.scale = grid(input_size, config.strides)
            if len(self.cells) != cells:
                raise misfit("yolo", f"{len(self.cells)} cells for strides {config.strides}", outputs)

    def decode(self, outputs: Mapping[str, NDArray[np.float32]], placement: Placement) -> Detections:
        """Boxes in frame pixels, after class-wise non-maximum suppression, best first."""
        rows = outputs[self.output][0]
        rows = rows.T if self.transposed else rows
        first_class = 5 if self.config.objectness else 4
        # Nearly all rows are background: an objectness below the threshold cannot reach it any more.
        candidates = np.arange(len(rows))
        if self.config.objectness:
            candidates = np.flatnonzero(self._activated(rows[:, 4]) >= self.config.score_threshold)
        scores = self._activated(rows[candidates, first_class:])
        if self.config.objectness:
            scores = scores * self._activated(rows[candidates, 4:5])
        row, kind = np.nonzero(scores >= self.config.score_threshold)
        found = Detections(self._corners(rows[:, :4], candidates[row]), scores[row, kind], kind.astype(np.int64))
        kept = suppress(found, self.config.iou_threshold, self.config.max_detections)
        return Detections(placement.to_frame(kept.boxes), kept.scores, kept.classes)

    def _activated(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values if self.config.activation == "none" else np.asarray(1 / (1 + np.exp(-values)), np.float32)

    def _corners(self, boxes: NDArray[np.float32], rows: NDArray[np.int64]) -> NDArray[np.float32]:
        boxes = boxes[rows]
        if self.config.normalized:
            boxes = boxes * np.array([self.input_size[1], self.input_size[0]] * 2, np.float32)
        if self.config.boxes == "xyxy":
            return boxes
        centre, size = boxes[:, :2], boxes[:, 2:]
        if self.config.boxes == "grid":
            scale = self.scale[rows, None]
            centre, size = (centre + self.cells[rows]) * scale, np.exp(size) * scale
        return np.concatenate([centre - size / 2, centre + size / 2], axis=1)


def grid(size: tuple[int, int], strides: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Cells (N, 2) as column and row, and the stride (N,) of each, level after level, row after row."""
    cells, scale = [], []
    for stride in strides:
        height, width = size[0] // stride, size[1] // stride
        row, column = np.divmod(np.arange(height * width), width)
        cells.append(np.stack([column, row], axis=1))
        scale.append(np.full(height * width, stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(scale).astype(np.float32)
