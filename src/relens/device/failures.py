"""What goes wrong with single frames: counted, logged now and then, fatal when it does not stop."""

import logging
from collections import Counter
from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import TypeVar

from relens.errors import DeviceTrouble

T = TypeVar("T")
logger = logging.getLogger("relens.device")


class Failures:
    """The edge at which one frame's failure ends.

    Args:
        in_a_row: so many failures of one stage in a row are fatal; None forgives any number.
        log_every_s: a stage logs at most one failure in this time.
    """

    def __init__(self, in_a_row: int | None = 30, log_every_s: float = 10.0) -> None:
        self.in_a_row = in_a_row
        self.log_every_s = log_every_s
        self.counts: Counter[str] = Counter()
        self._row: Counter[str] = Counter()
        self._logged_s: dict[str, float] = {}
        self._lock = Lock()

    @property
    def total(self) -> int:
        """Failures of all stages so far."""
        return self.counts.total()

    def attempt(self, stage: str, number: int, work: Callable[[], T]) -> T | None:
        """Do one stage's work on frame `number`; None when it failed.

        Raises:
            DeviceTrouble: RL-DEVICE-002 when the stage has failed `in_a_row` times in a row.
        """
        try:
            result = work()
        except Exception as trouble:  # the per-frame edge: whatever a decoder or publisher throws
            self._caught(stage, number, trouble)
            return None
        self._row[stage] = 0
        return result

    def _caught(self, stage: str, number: int, trouble: Exception) -> None:
        with self._lock:
            self.counts[stage] += 1
            self._row[stage] += 1
        now = monotonic()
        if now - self._logged_s.get(stage, -self.log_every_s) >= self.log_every_s:
            self._logged_s[stage] = now
            logger.warning(
                "frame %d failed in %s (%d so far): %r", number, stage, self.counts[stage], trouble, exc_info=trouble
            )
        if self.in_a_row is not None and self._row[stage] >= self.in_a_row:
            raise DeviceTrouble(
                "RL-DEVICE-002",
                f"{stage} failed on {self._row[stage]} frames in a row, last on frame {number}: {trouble!r}",
                hint="relens verify BUNDLE runs the bundle's own golden frames on this machine",
            ) from trouble
