"""What of the things on the frames is an event: its beginning and its end."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from difflib import get_close_matches
from math import inf

from relens.device.events.event import BLIND_S, Event, Phase, Thing
from relens.device.events.zone import Zone
from relens.errors import BadConfig
from relens.spec import EventRule, Task


class Rules:
    """All rules, each going on or not. No clock, no camera: what a frame shows holds until the next one.

    `now_s` only goes forward and decides how long things take; `at_s`, seconds since 1970, may jump and is only noted.
    After `BLIND_S` without a frame, the frame counts as empty.

    Args:
        rules: checked by `check_rules`.
    """

    def __init__(self, rules: Sequence[EventRule]) -> None:
        self._courses = [_Course(rule) for rule in rules]
        self._now_s = -inf
        self._frame_s: float | None = None

    def update(self, things: Sequence[Thing], now_s: float, at_s: float) -> list[Event]:
        """What begins and ends with one frame: all things seen on it, each id once."""
        now_s, at_s = self._forward(now_s, at_s)
        events = self._pass_to(now_s)
        for course in self._courses:
            events += course.show(things, now_s)
        self._frame_s = now_s
        return _dated(events, now_s, at_s)

    def tick(self, now_s: float, at_s: float) -> list[Event]:
        """What ends because time passes, also without frames; `update` would tell it later."""
        now_s, at_s = self._forward(now_s, at_s)
        return _dated(self._pass_to(now_s), now_s, at_s)

    def finish(self, now_s: float, at_s: float) -> list[Event]:
        """End all that goes on, as when the camera is switched off or gets another bundle; then start anew."""
        now_s, at_s = self._forward(now_s, at_s)
        events = self._pass_to(now_s)
        for course in self._courses:
            events += course.finish(now_s)
        self._courses = [_Course(course.rule) for course in self._courses]
        self._frame_s = None
        return _dated(events, now_s, at_s)

    def _forward(self, now_s: float, at_s: float) -> tuple[float, float]:
        """The same moment, or that of the call before where it lies behind."""
        ahead_s = max(0.0, self._now_s - now_s)
        return now_s + ahead_s, at_s + ahead_s

    def _pass_to(self, now_s: float) -> list[Event]:
        self._now_s = now_s
        events: list[Event] = []
        if self._frame_s is not None and now_s - self._frame_s >= BLIND_S:
            for course in self._courses:
                events += course.show((), self._frame_s + BLIND_S)
            self._frame_s = None
        for course in self._courses:
            events += course.wait(now_s)
        return events


class _Course:
    """One rule from beginning to end, over and over. Events carry `now_s` as their time."""

    def __init__(self, rule: EventRule) -> None:
        self.rule = rule
        self._zone = Zone(rule.zone) if rule.zone else None
        self._stays = _Stays(rule.clear_s)
        self._began_s: float | None = None
        self._too_few_since_s: float | None = None
        self._last: Sequence[Thing] = ()

    def show(self, things: Sequence[Thing], now_s: float) -> list[Event]:
        """Take in a frame."""
        fitting = {thing.id: thing for thing in things if self._fits(thing)}
        self._stays.update(fitting, now_s)
        stayed = (key for key in fitting if self._stays.lasted_s(key, now_s) >= self.rule.dwell_s)
        counted = tuple(fitting[key] for key in stayed)
        if len(counted) < self.rule.at_least:
            if self._too_few_since_s is None:
                self._too_few_since_s = now_s
            return self.wait(now_s)
        self._too_few_since_s, self._last = None, counted
        if self._began_s is not None:
            return []
        self._began_s = now_s
        return [Event(self.rule.name, Phase.BEGAN, now_s, counted)]

    def wait(self, now_s: float) -> list[Event]:
        """Let time pass with what the last frame showed."""
        if self._too_few_since_s is None or now_s < self._too_few_since_s + self.rule.clear_s:
            return []
        return self.finish(self._too_few_since_s + self.rule.clear_s)

    def finish(self, now_s: float) -> list[Event]:
        """End it if it goes on."""
        if self._began_s is None:
            return []
        lasted_s, self._began_s = now_s - self._began_s, None
        return [Event(self.rule.name, Phase.ENDED, now_s, self._last, lasted_s)]

    def _fits(self, thing: Thing) -> bool:
        if (self.rule.labels and thing.label not in self.rule.labels) or thing.score < self.rule.min_score:
            return False
        if self._zone is None:
            return True
        if thing.box is None:
            return False
        left, _, right, bottom = thing.box
        return self._zone.holds((left + right) / 2, bottom)


class _Stays:
    """For how long each id has been there. An absence shorter than `clear_s` is bridged, but is no time there.

    Scores flicker around a threshold, and feet around the edge of a zone: without the bridge, nobody would ever
    have been there for long; counted as presence, two glimpses would make a stay.
    """

    def __init__(self, clear_s: float) -> None:
        self._clear_s = clear_s
        self._since_s: dict[int, float] = {}  # of those that are there; moved on by their absences
        self._left_s: dict[int, tuple[float, float]] = {}  # of those that are not: since when they were, and until

    def update(self, there: Collection[int], now_s: float) -> None:
        for key in [key for key in self._since_s if key not in there]:
            self._left_s[key] = (self._since_s.pop(key), now_s)
        while self._left_s:  # in the order in which they left
            first = next(iter(self._left_s))
            if now_s - self._left_s[first][1] < self._clear_s:
                break
            del self._left_s[first]
        for key in there:
            if key not in self._since_s:
                since_s, until_s = self._left_s.pop(key, (now_s, now_s))
                self._since_s[key] = since_s + (now_s - until_s)

    def lasted_s(self, key: int, now_s: float) -> float:
        return now_s - self._since_s[key]


def _dated(events: list[Event], now_s: float, at_s: float) -> list[Event]:
    """With the wall's time in place of `now_s`, in order."""
    ordered = sorted(events, key=lambda event: event.at_s)
    return [replace(event, at_s=at_s - (now_s - event.at_s)) for event in ordered]


def check_rules(rules: Sequence[EventRule], labels: Sequence[str], task: Task) -> None:
    """See whether a model can tell what the rules ask for. Without labels, classes are called by their numbers.

    Raises:
        BadConfig: RL-CONFIG-003 for a label that the model does not have, a zone where it gives no boxes, or any
            rule for one that gives tensors only.
    """
    for rule in rules:
        if task == "tensors":
            raise _unfit(rule, "the model gives tensors, which show no things", "remove [[events]]")
        if rule.zone and task != "detection":
            flaw = f"a zone needs boxes, and a {task} model gives none"
            raise _unfit(rule, flaw, "remove `zone`, or deploy a detection model")
        for label in rule.labels:
            if label not in labels and (labels or not label.isdecimal()):
                raise _unfit(rule, f"the model has no label `{label}`", _near(label, labels))


def _unfit(rule: EventRule, flaw: str, hint: str) -> BadConfig:
    return BadConfig("RL-CONFIG-003", f"event `{rule.name}`: {flaw}", hint=hint)


def _near(word: str, labels: Sequence[str]) -> str:
    if not labels:
        return "the bundle has no labels: its classes are called 0, 1, 2 and so on"
    known = {label.casefold(): label for label in labels}
    near = get_close_matches(word.casefold(), known, n=1)
    shown = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    return f"did you mean `{known[near[0]]}`?" if near else f"its labels: {shown}"
