"""The loop's frames watched for events."""

from collections.abc import Callable, Sequence
from threading import Lock
from time import monotonic, time

from relens.device.events.event import Event, Thing
from relens.device.events.rules import Rules
from relens.device.events.tracker import Tracker
from relens.device.loop import LiveFrame
from relens.spec import EventRule
from relens.vision import drawn_jpeg

LONGEST = 640  # pixels

Keep = Callable[[Event, bytes | None], None]
"""Takes each event, in order, with a JPEG of the frame that made it; None where time alone did. Must not fail."""


class Watch:
    """Follows things, judges them by rules and hands every event on. Does nothing where there are no rules.

    Args:
        rules: checked by `check_rules`.
        labels: the names of the model's classes.
        keep: called one at a time, in the thread of `publish`, `tick` or `finish`.
        clock: seconds that only go forward; that of `LiveFrame.age_ms`.
        wall: seconds since 1970.
    """

    def __init__(
        self,
        rules: Sequence[EventRule],
        labels: Sequence[str],
        keep: Keep,
        *,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self.labels, self.keep = labels, keep
        self._clock, self._wall = clock, wall
        self._rules = Rules(rules)
        # What is too weak for every rule may continue a thing, and never is one.
        self._tracker = Tracker(min(rule.min_score for rule in rules)) if rules else None
        self._things: tuple[Thing, ...] = ()
        self._age_s = 0.0
        self._lock = Lock()

    @property
    def things(self) -> tuple[Thing, ...]:
        """What the newest frame shows, with ids, the best first; nothing where there are no rules. From any thread."""
        return self._things

    def publish(self, live: LiveFrame) -> None:
        """Look at a frame and its prediction; a `relens.device.loop.Publisher`."""
        if self._tracker is None:
            return
        height, width = live.frame.shape[:2]
        with self._lock:
            self._age_s = live.age_ms / 1e3
            now_s, at_s = self._taken_now()
            self._things = self._tracker.update(live.prediction, self.labels, width, height, now_s)
            events = self._rules.update(self._things, now_s, at_s)
            picture = small_picture(live, self.labels) if events else None
            self._hand_on(events, picture)

    def tick(self) -> None:
        """Let time pass where no frames come; to be called every second or so, from any thread."""
        with self._lock:
            # A frame on its way may still show what makes an event go on.
            self._hand_on(self._rules.tick(*self._taken_now()), None)

    def finish(self) -> None:
        """End all events: the camera stops, or goes on with another bundle. From any thread."""
        with self._lock:
            self._things = ()
            self._hand_on(self._rules.finish(self._clock(), self._wall()), None)

    def _taken_now(self) -> tuple[float, float]:
        """When a frame was taken that arrives now and is as old as the last one, by both clocks."""
        return self._clock() - self._age_s, self._wall() - self._age_s

    def _hand_on(self, events: Sequence[Event], picture: bytes | None) -> None:
        for event in events:
            self.keep(event, picture)


def small_picture(live: LiveFrame, labels: Sequence[str]) -> bytes:
    """The frame as JPEG, at most `LONGEST` pixels wide and high, with what was found drawn in."""
    scale = min(1.0, LONGEST / max(live.frame.shape[:2]))
    return drawn_jpeg(live.frame, live.prediction, labels, scale=scale)
