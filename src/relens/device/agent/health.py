"""Is the bundle that runs healthy? Pure: reports of the loop in, a reason to go back out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COLLAPSED_AFTER = 100
"""So many frames have to have been seen before what they show is held against what was seen before."""


@dataclass(frozen=True)
class Report:
    """What the loop says of itself, about twice a second.

    seconds: since it began. captured, inferred: frames so far. infer_ms: median of the newest inferences.
    resident_mb: memory of its process. unusable: frames with NaN or infinity in an output.
    frozen: frames in a row, up to now, that were answered exactly like the one before although they differ from it.
    seen: how many frames showed each label; "" counts those that showed none.
    inferring_s: for how long the present inference has been going on. trouble: why the camera gives no frames.
    """

    seconds: float
    captured: int
    inferred: int
    infer_ms: float
    resident_mb: float
    unusable: int = 0
    frozen: int = 0
    seen: Mapping[str, int] = field(default_factory=dict)
    inferring_s: float = 0.0
    trouble: str | None = None

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "Report":
        """From what the loop's process wrote."""
        return cls(**values)


@dataclass(frozen=True)
class Limits:
    """What a healthy bundle keeps to.

    most_infer_ms, most_resident_mb: from the goals, else from what was measured at acceptance.
    silent_s: frames come in, or one is being inferred, and none is done for so long.
    frozen: so many different frames with the very same answer.
    seen_before: what the bundle confirmed last saw here; None where there is none.
    """

    most_infer_ms: float
    most_resident_mb: float
    silent_s: float = 5.0
    frozen: int = 100
    seen_before: Mapping[str, int] | None = None


class Health:
    """Judges the reports of one run, in their order."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.healthy_s = 0.0
        self._last: Report | None = None
        self._progress_s = 0.0

    def judge(self, report: Report) -> str | None:
        """Why the bundle is not healthy, or None.

        `healthy_s` then tells for how long frames have been inferred: a camera that gives none proves nothing.
        """
        last, self._last = self._last, report
        gone_s = report.seconds - (last.seconds if last else 0.0)
        moved = report.inferred > (last.inferred if last else 0)
        # A camera that is not live gives no frame while it waits for an inference.
        fed = report.captured > (last.captured if last else 0) or report.inferring_s > 0
        if moved:
            self.healthy_s += gone_s
        if moved or not fed:
            self._progress_s = report.seconds
        return self._silent(report) or self._over(report) or self._senseless(report)

    def _silent(self, report: Report) -> str | None:
        silent_s = report.seconds - self._progress_s
        if silent_s <= self.limits.silent_s:
            return None
        if report.inferring_s > 0:
            return f"an inference has been going on for {report.inferring_s:.0f} s"
        return f"frames come in and none was inferred for {silent_s:.0f} s"

    def _over(self, report: Report) -> str | None:
        if report.resident_mb > self.limits.most_resident_mb:
            return f"{report.resident_mb:.0f} MB of memory, at most {self.limits.most_resident_mb:.0f}"
        if report.inferred >= 30 and report.infer_ms > self.limits.most_infer_ms:
            return f"an inference takes {report.infer_ms:.1f} ms, at most {self.limits.most_infer_ms:.1f}"
        return None

    def _senseless(self, report: Report) -> str | None:
        if report.unusable:
            return f"NaN or infinity in the outputs of {report.unusable} frames"
        if report.frozen >= self.limits.frozen:
            return f"{report.frozen} different frames in a row with the very same answer"
        before = self.limits.seen_before
        if before is not None and sum(report.seen.values()) >= COLLAPSED_AFTER:
            return collapsed(before, report.seen)
        return None


def collapsed(before: Mapping[str, int], now: Mapping[str, int]) -> str | None:
    """Why what is seen now cannot come from where so much was seen before; None if it can.

    A label counts as missing if it was on so many frames before that seeing it on none of the newer ones has a chance
    of less than one in a million, were frames independent (they are not: hence so rare).
    """
    total, new = sum(before.values()), sum(now.values())
    shown = {label for label, count in now.items() if label and count}
    often = {label for label, count in before.items() if label and (1 - count / total) ** new < 1e-6}
    if often and not shown:
        return f"nothing found on {new} frames, where {', '.join(sorted(often))} used to be"
    if len(shown) == 1 and len(often - shown) >= 1 and not now.get(""):
        (only,) = shown
        return f"all {new} frames are {only}, where {', '.join(sorted(often - shown))} used to be"
    return None
