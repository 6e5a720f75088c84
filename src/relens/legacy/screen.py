"""What the live page shows of a run: the function's own stream where it makes one, else frames with what was found."""

from collections.abc import Mapping
from threading import Lock
from time import monotonic
from typing import Any

import cv2
import numpy as np

from relens.device.live import About, LivePage
from relens.device.loop import LiveFrame, LoopStatus
from relens.legacy.feeder import Feeder
from relens.vision import Classes, Detections, Frame, Prediction, Tensors

OWN_STREAM_S = 3.0
"""For so long after the function's last picture its stream counts as going on."""

SURE = 0.3
"""Functions see boxes of lower scores, and have thresholds of their own; the page shows those above this one."""

NOTHING = Tensors({})


class Screen:
    """Between the run and its page.

    Args:
        feeder: knows what was captured and taken.
        about: what the page says before a model is loaded.
    """

    def __init__(self, feeder: Feeder, about: About) -> None:
        self.feeder, self.about, self.shown, self.errors = feeder, about, 0, 0
        self.page: LivePage | None = None
        self._began_s = monotonic()
        self._frame: Frame | None = None
        self._found: Prediction = NOTHING
        self._number = 0
        self._own_s = -OWN_STREAM_S
        self._jpeg = b""
        self._lock = Lock()

    def frame(self, frame: Frame) -> None:
        """The function takes this frame, (H, W, 3) uint8 BGR."""
        with self._lock:
            self._frame, self._number = frame, self._number + 1
        self._show_frame()

    def prediction(self, found: Mapping[str, Any]) -> None:
        """A model has said this; boxes as fractions."""
        with self._lock:
            if self._frame is None:
                return
            self._found = _prediction(found, self._frame)
        self._show_frame()

    def picture(self, jpeg: bytes) -> None:
        """The function shows this; it says the same again and again."""
        self._own_s = monotonic()
        if jpeg == self._jpeg:
            return
        self._jpeg, self.shown = jpeg, self.shown + 1
        if self.page is None:
            return
        try:
            frame = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        except cv2.error:  # a header that promises more than OpenCV takes
            frame = None
        if frame is None:
            self.errors += 1
            return
        self.page.publish(LiveFrame(self._number, np.asarray(frame, np.uint8), NOTHING, {}, 0.0))

    def model(self, name: str, sha256: str, labels: tuple[str, ...], engine: str) -> None:
        """The function has loaded this one."""
        self.about = About(
            f"{self.about.name.partition(' ')[0]} with {name}", sha256, engine, self.about.camera, labels
        )
        if self.page is not None:
            self.page.tell(self.about)

    def status(self) -> LoopStatus:
        """As the page wants it: a frame counts as inferred when the function has taken it."""
        feeder = self.feeder
        return LoopStatus(
            captured=feeder.captured,
            dropped=feeder.dropped,
            inferred=feeder.taken.count,
            errors=self.errors,
            fps=feeder.taken.per_second(),
            seconds=monotonic() - self._began_s,
            last_inferred_s=feeder.since_taken_s,
            stages=feeder.timings.summary(),
            trouble=feeder.camera.trouble,
            lost=feeder.camera.lost,
            histograms=feeder.timings.histograms(),
        )

    def _show_frame(self) -> None:
        if self.page is None or self._frame is None or monotonic() - self._own_s < OWN_STREAM_S:
            return
        self.page.publish(LiveFrame(self._number, self._frame, self._found, {}, 0.0))


def _prediction(found: Mapping[str, Any], frame: Frame) -> Prediction:
    """Raises ValueError or TypeError for what is neither classes nor boxes."""
    if "classes" in found:
        pairs = [(int(index), float(score)) for index, score in found["classes"]]
        scores = np.zeros(max((index for index, _ in pairs), default=0) + 1, np.float32)
        for index, score in pairs:
            scores[index] = score
        return Classes(scores)
    if "detections" in found:
        height, width = frame.shape[:2]
        rows = np.array(found["detections"], np.float32).reshape(-1, 6)
        rows = rows[rows[:, 4] >= SURE]
        return Detections(
            rows[:, :4] * np.array([width, height] * 2, np.float32), rows[:, 4], rows[:, 5].astype(np.int64)
        )
    return NOTHING
