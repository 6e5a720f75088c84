"""Frames the model is unsure about, kept as pictures: what a next training needs most.

A folder of JPEGs that `relens build` reads as it is, under `[data] train` or `calibration`.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic

from relens.device.loop import LiveFrame
from relens.files import write_whole
from relens.spec import SampleSettings
from relens.vision import Classes, Detections, Prediction, jpeg

JPEG_QUALITY = 95
"""The next model learns from them: what the eye does not see may still count."""


class Samples:
    """A `relens.device.loop.Publisher` that keeps some of the frames, as rare as it is told.

    Args:
        folder: made when the first one is kept.
        settings: how many, and how unsure.
        clock: seconds that only go forward.
    """

    def __init__(self, folder: Path, settings: SampleSettings, clock: Callable[[], float] = monotonic) -> None:
        self.folder, self.settings, self._clock = folder, settings, clock
        self._next_s = clock()

    def publish(self, live: LiveFrame) -> None:
        """Keep the frame if the model is unsure and the last one was long enough ago; a full disk keeps none."""
        if self._clock() < self._next_s or unsure(live.prediction) < self.settings.min_doubt:
            return
        self._next_s = self._clock() + 3600 / self.settings.per_hour
        with suppress(OSError, ValueError):  # a full disk; a frame that no JPEG can hold
            self._keep(jpeg(live.frame, JPEG_QUALITY))

    def _keep(self, picture: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._make_room(len(picture))
        at = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%f")
        write_whole(self.folder / f"{at}.jpg", [picture])

    def _make_room(self, needed: int) -> None:
        """The oldest go first."""
        kept = sorted((one.name, one.stat().st_size) for one in os.scandir(self.folder))
        total = sum(size for _, size in kept)
        for name, size in kept:
            if total + needed <= self.settings.max_mb * 1e6:
                return
            (self.folder / name).unlink()
            total -= size


def unsure(prediction: Prediction) -> float:
    """How much a prediction could as well be another one, 0..1.

    Classes: one minus the distance of the two best scores (margin sampling, Scheffer et al. 2001). Detections: how near
    the most doubtful one is to a score of one half. Tensors say nothing.
    """
    if isinstance(prediction, Classes) and len(prediction.scores) > 1:
        (_, best), (_, second) = prediction.top(2)
        return float(1 - (best - second))
    if isinstance(prediction, Detections) and len(prediction):
        return float(1 - 2 * abs(prediction.scores - 0.5).min())
    return 0.0
