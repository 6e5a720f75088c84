"""Reads what one run of a bundle says of itself, and sees to it: camera, health, confirmation, systemd."""

from collections.abc import Callable
from time import monotonic, time
from typing import Any

from relens.device.agent.health import Health, Limits, Report
from relens.device.agent.heart import Heart
from relens.device.agent.store import ACCEPTED, SEEN, Store

REMEMBER_S, PULSE_S = 60.0, 10.0
SLOWER, LEAST_MS, MORE_MB = 3.0, 20.0, 200.0
"""How far a bundle without goals may be from its acceptance: times as slow, but never too slow below so many
milliseconds; megabytes more, for page and camera, too."""

NOTHING_KNOWN: dict[str, Any] = {"latency": {"median_ms": 1000.0}, "peak_memory_mb": 500.0}
"""Of a bundle whose acceptance cannot be read any more."""


class Oversight:
    """From a bundle's start to its end.

    Args:
        store: the camera's disk.
        bundle: its id.
        confirm_s: it is confirmed after so many seconds of frames.
        heart: beats for frames.
        say: told in a line what happens.
    """

    def __init__(self, store: Store, bundle: str, confirm_s: float, heart: Heart, say: Callable[[str], None]) -> None:
        self.store, self.bundle, self.confirm_s, self.heart, self.say = store, bundle, confirm_s, heart, say
        self._health = Health(limits(store, bundle))
        self._last: Report | None = None
        self._remember_s = monotonic()
        self._pulse: Report | None = None

    def read(self, report: Report) -> str | None:
        """Why the bundle has to go, or None."""
        last, self._last = self._last, report
        self._watch_camera(last.trouble if last else None, report)
        self._beat(last.inferred if last else 0, report)
        self._note_pulse(report)
        if why := self._health.judge(report):
            return why
        if self._health.healthy_s >= self.confirm_s and monotonic() > self._remember_s:
            self._confirm(report)
        return None

    def _watch_camera(self, before: str | None, report: Report) -> None:
        """Say when it goes and when it is back; a start that saw no frame says nothing of the bundle."""
        if report.trouble is not None and before is None:
            if report.inferred == 0:
                self.store.excuse()
            self.store.journal.note("camera lost", why=report.trouble)
            self.say(report.trouble)
        elif report.trouble is None and before is not None:
            self.store.journal.note("camera back")
            self.say("the camera is back")

    def _beat(self, inferred: int, report: Report) -> None:
        """Only for frames: a bundle that gives no answers is not alive, whatever its process says."""
        if report.trouble is not None:
            self.heart.beat(f"{self.bundle}: waits for its camera: {report.trouble}")
        elif report.inferred > inferred:
            self.heart.beat(f"{self.bundle}: runs")

    def _note_pulse(self, report: Report) -> None:
        """The frame rate since the last note; the first one soon."""
        seconds = report.seconds - (self._pulse.seconds if self._pulse else 0.0)
        if seconds >= (PULSE_S if self._pulse else 1.0):
            frames = report.inferred - (self._pulse.inferred if self._pulse else 0)
            self.store.beat(self.bundle, {"at_s": time(), "frames_per_s": round(frames / seconds, 1)})
            self._pulse = report

    def _confirm(self, report: Report) -> None:
        """It has been healthy for long enough."""
        if self.store.standing().on_trial:
            self.say(f"{self.bundle}: confirmed")
        self.store.confirm(self.bundle)
        self.store.remember(self.bundle, report.seen)
        self._remember_s = monotonic() + REMEMBER_S


def limits(store: Store, bundle: str) -> Limits:
    """From its goals where it has them, else from its acceptance; and what was seen before it came."""
    accepted = NOTHING_KNOWN | (store.facts(bundle, ACCEPTED) or {})
    goals, standing = accepted.get("goals", {}), store.standing()
    before = store.facts(standing.good, SEEN) if standing.on_trial and standing.good else None
    most_ms = goals.get("max_latency_ms")
    usual_ms = max(LEAST_MS, SLOWER * accepted["latency"]["median_ms"])
    return Limits(
        most_infer_ms=usual_ms if most_ms is None else 1.5 * most_ms,
        most_resident_mb=MORE_MB + max(accepted["peak_memory_mb"], goals.get("max_memory_mb") or 0.0),
        seen_before=before,
    )
