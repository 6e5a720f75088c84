from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relens.device.events.event import BLIND_S, Event, Phase, Thing
from relens.device.events.rules import Rules, check_rules
from relens.errors import BadConfig
from relens.spec import EventRule

MakeThing = Callable[..., Thing]
WALL = 1.75e9
LEFT_HALF = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))


def told(events: Sequence[Event]) -> list[tuple[str, float, float]]:
    return [(event.phase.value, event.at_s - WALL, event.lasted_s) for event in events]


def play(rules: Rules, frames: Sequence[tuple[float, Sequence[Thing]]]) -> list[tuple[str, float, float]]:
    """What is told of frames that show things from some second on; eight frames a second, up to the last one."""
    events, shown, step = [], dict(frames), 0.125
    things: Sequence[Thing] = ()
    for number in range(round(frames[-1][0] / step) + 1):
        things = shown.get(number * step, things)
        events += rules.update(things, number * step, WALL + number * step)
    return told(events)


def test_it_begins_after_the_dwell_and_ends_when_all_has_been_clear_for_long_enough(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=1, clear_s=2)])
    assert play(rules, [(0, []), (1, [thing()]), (5, []), (9, [])]) == [("began", 2, 0), ("ended", 7, 5)]


def test_dwell_and_clear_of_zero_follow_every_frame(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=0)])
    frames = [(0, [thing()]), (0.125, []), (0.25, [thing()]), (0.375, [])]
    expected = [("began", 0, 0), ("ended", 0.125, 0.125), ("began", 0.25, 0), ("ended", 0.375, 0.125)]
    assert play(rules, frames) == expected


def test_only_the_rules_labels_scores_and_zone_count(thing: MakeThing) -> None:
    rule = EventRule(name="cat", labels=("cat", "fox"), min_score=0.6, zone=LEFT_HALF, dwell_s=0)
    wrong = [thing(1, "dog", at=(0.2, 0.5)), thing(2, score=0.59, at=(0.2, 0.5)), thing(3, at=(0.6, 0.5))]
    right = [thing(4, "fox", 0.6, at=(0.2, 0.5)), thing(5, at=(0.5, 1.0))]
    (event,) = Rules([rule]).update(wrong + right, 0, WALL)
    assert event == Event("cat", Phase.BEGAN, WALL, tuple(right))


def test_feet_decide_who_is_in_a_zone() -> None:
    rules = Rules([EventRule(name="lawn", zone=((0, 0.5), (1, 0.5), (1, 1), (0, 1)), dwell_s=0)])
    assert rules.update([Thing(1, "person", 0.9, (0.4, 0.1, 0.5, 0.49))], 0, WALL) == []
    assert len(rules.update([Thing(1, "person", 0.9, (0.4, 0.1, 0.5, 0.5))], 1, WALL + 1)) == 1


def test_each_thing_has_to_dwell_for_itself(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="two", at_least=2, dwell_s=2, clear_s=1)])
    a, b, c = thing(1), thing(2), thing(3)
    frames = [(0, [a]), (1, [a, b]), (2.5, [a, c]), (4.5, [a, c]), (6, [c]), (8, [])]
    assert play(rules, frames) == [("began", 4.5, 0), ("ended", 7, 2.5)]


def test_passers_by_do_not_make_an_event_go_on(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="loitering", dwell_s=3, clear_s=1)])
    passing = [(4 + number, [thing(2 + number)]) for number in range(5)]
    assert play(rules, [(0, [thing(1)]), *passing]) == [("began", 3, 0), ("ended", 5, 2)]


def test_an_absence_shorter_than_clear_s_neither_ends_it_nor_starts_the_dwell_anew(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=2, clear_s=1)])
    frames = [(0, [thing()]), (1, []), (1.5, [thing()]), (4, []), (4.875, [thing()]), (6, [])]
    assert play(rules, [*frames, (8, [])]) == [("began", 2.5, 0), ("ended", 7, 4.5)], "half a second away is no dwell"


def test_an_absence_of_clear_s_starts_the_dwell_anew(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=2, clear_s=1)])
    assert play(rules, [(0, [thing()]), (1.5, []), (2.5, [thing()]), (5, [thing()])]) == [("began", 4.5, 0)]


def test_a_score_that_flickers_around_the_threshold_is_one_event(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=1, clear_s=0.5)])
    frames = [(number / 8, [thing(score=0.52 if number % 2 else 0.48)]) for number in range(80)]
    assert play(rules, frames) == [("began", 2.125, 0)], "there for half of the time from 0.125 on"


def test_two_glimpses_are_no_stay_however_long_the_bridge(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=5, clear_s=60)])
    assert play(rules, [(0, [thing()]), (0.25, []), (30, [thing()]), (30.25, []), (40, [])]) == []


def test_the_end_names_the_last_that_made_it_so(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=1)])
    rules.update([thing(1)], 0, WALL)
    rules.update([thing(2, score=0.7)], 1, WALL + 1)
    rules.update([thing(3, score=0.1)], 2, WALL + 2)
    (ended,) = rules.update([], 3, WALL + 3)
    assert ended == Event("cat", Phase.ENDED, WALL + 3, (thing(2, score=0.7),), 3)


def test_rules_do_not_know_of_each_other(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", labels=("cat",), dwell_s=1), EventRule(name="any", dwell_s=0, clear_s=0)])
    names = [
        (event.rule, event.phase.value)
        for now_s, things in [(0, [thing(1)]), (1, [thing(1)]), (2, []), (4, [])]
        for event in rules.update(things, now_s, WALL + now_s)
    ]
    assert names == [("any", "began"), ("cat", "began"), ("any", "ended"), ("cat", "ended")]


def test_an_end_that_falls_between_two_frames_is_dated_there(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=2)])
    rules.update([thing()], 0, WALL)
    rules.update([], 1, WALL + 1)
    events = rules.update([thing()], 6, WALL + 6)
    assert told(events) == [("ended", 3, 3), ("began", 6, 0)], "nothing was there for five seconds"


def test_a_tick_tells_the_end_without_a_frame(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=2)])
    assert rules.tick(0, WALL) == []
    rules.update([thing()], 1, WALL + 1)
    rules.update([], 2, WALL + 2)
    assert rules.tick(3.9, WALL + 3.9) == []
    assert told(rules.tick(4.5, WALL + 4.5)) == [("ended", 4, 3)]
    assert rules.tick(9, WALL + 9) == rules.update([], 10, WALL + 10) == []


@pytest.mark.parametrize("ticks", [(), (12.0, 15.0, 30.0)])
def test_when_frames_stop_coming_the_event_ends_with_or_without_ticks(
    thing: MakeThing, ticks: tuple[float, ...]
) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=2)])
    rules.update([thing()], 0, WALL)
    rules.update([thing()], 1, WALL + 1)
    events = [event for now_s in ticks for event in rules.tick(now_s, WALL + now_s)]
    events += rules.update([thing()], 3600, WALL + 3600)
    assert told(events) == [("ended", 1 + BLIND_S + 2, 1 + BLIND_S + 2), ("began", 3600, 0)]


def test_a_slow_camera_is_not_a_blind_one(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=2)])
    events = [event for number in range(10) for event in rules.update([thing()], 5.0 * number, WALL)]
    assert [event.phase for event in events] == [Phase.BEGAN]


def test_the_walls_clock_may_jump(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=1)])
    (began,) = rules.update([thing()], 0, WALL)
    rules.update([], 4, WALL - 86400)
    (ended,) = rules.update([], 5, WALL + 86400)
    assert (began.at_s, ended.at_s, ended.lasted_s) == (WALL, WALL + 86400, 5)


def test_a_frame_that_comes_late_counts_as_the_call_before(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=0, clear_s=1)])
    rules.tick(10, WALL + 10)
    assert told(rules.update([thing()], 9.5, WALL + 9.5)) == [("began", 10, 0)]


def test_finish_ends_what_goes_on_and_starts_anew(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", dwell_s=1), EventRule(name="dog", labels=("dog",))])
    for now_s in (0, 1, 2):
        rules.update([thing()], now_s, WALL + now_s)
    (ended,) = rules.finish(3, WALL + 3)
    assert (ended.rule, ended.phase, ended.lasted_s) == ("cat", Phase.ENDED, 2)
    assert rules.finish(4, WALL + 4) == rules.update([thing()], 5, WALL + 5) == []
    assert told(rules.update([thing()], 6, WALL + 6)) == [("began", 6, 0)]


def test_classes_of_the_whole_frame_are_things_too() -> None:
    rules = Rules([EventRule(name="on", labels=("on",), dwell_s=1)])
    seen = [rules.update([Thing(1, "on", 0.8)], now_s, WALL + now_s) for now_s in (0, 0.5, 1)]
    assert [len(events) for events in seen] == [0, 0, 1]


@dataclass(frozen=True)
class Step:
    """wait_s: since the step before. there: ids that fit; None is a tick."""

    wait_s: float
    there: frozenset[int] | None


# Multiples of 1/8 are exact, so that "not before" can be taken at its word.
periods = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0])
waits = st.sampled_from([0.0, *[0.125, 0.25] * 4, 0.5, 1.0, 3.0, BLIND_S, 12.0])
present = st.sampled_from([frozenset(ids) for ids in [(), (), (0,), (0,), (1,), (0, 1), (0, 2), (0, 1, 2)]])
steps = st.lists(st.builds(Step, waits, st.one_of(present, present, present, st.none())), min_size=5, max_size=40)
rules_given = st.builds(
    EventRule, name=st.just("rule"), at_least=st.integers(1, 2), dwell_s=periods, clear_s=periods
)  # fmt: skip


def dwelled(history: Sequence[tuple[float, frozenset[int]]], rule: EventRule) -> set[int]:
    """Ids on the last frame that have been there for long enough: summed up backwards from it."""
    counted = set()
    for key in history[-1][1]:
        stayed_s = away_s = 0.0
        for (from_s, shown), (until_s, _) in zip(history[-2::-1], history[:0:-1], strict=True):
            if key in shown:
                stayed_s, away_s = stayed_s + until_s - from_s, 0.0
            else:
                away_s += until_s - from_s
            if away_s >= rule.clear_s and key not in shown:
                break
        if stayed_s >= rule.dwell_s:
            counted.add(key)
    return counted


@settings(max_examples=300, deadline=None)
@given(rule=rules_given, steps=steps)
def test_whatever_comes_beginnings_and_ends_alternate_and_neither_is_early(rule: EventRule, steps: list[Step]) -> None:
    rules, now_s, wall_s = Rules([rule]), 0.0, 2.0**30
    history: list[tuple[float, frozenset[int]]] = []
    enough: list[tuple[float, bool]] = []
    events: list[Event] = []

    def show(at_s: float, there: frozenset[int]) -> None:
        history.append((at_s, there))
        enough.append((at_s, len(dwelled(history, rule)) >= rule.at_least))

    blind_after_s = float("inf")
    for step in steps:
        now_s += step.wait_s
        if now_s >= blind_after_s:
            show(blind_after_s, frozenset())
            blind_after_s = float("inf")
        if step.there is None:
            new = rules.tick(now_s, wall_s + now_s)
        else:
            things = [Thing(key, "x", 0.5) for key in step.there] + [Thing(9, "x", 0.4)]
            new = rules.update(things, now_s, wall_s + now_s)
            show(now_s, step.there)
            blind_after_s = now_s + BLIND_S
        events += new
        going = len(events) % 2 == 1
        since_s = too_few_since(enough)
        if since_s is None and enough:
            assert going, "enough are there, and it does not go on"
        elif since_s is None or now_s >= since_s + rule.clear_s:
            assert not going, "there have been too few for long enough, and it goes on"

    assert [event.phase for event in events] == [(Phase.BEGAN, Phase.ENDED)[k % 2] for k in range(len(events))]
    assert [event.at_s for event in events] == sorted(event.at_s for event in events)
    for event in events:
        at_s = event.at_s - wall_s
        if event.phase is Phase.BEGAN:
            assert (at_s, True) in enough, "it began without enough that had dwelled"
        else:
            since_s = at_s - rule.clear_s
            assert (since_s, False) in enough, "it ended by a frame that showed enough"
            held = zip(enough, [*enough[1:], (at_s, False)], strict=True)
            between = [max(from_s, since_s) < min(until_s, at_s) for (from_s, yes), (until_s, _) in held if yes]
            assert not any(between), "it ended before its time"
    for began, ended in zip(events[::2], events[1::2], strict=False):
        assert ended.lasted_s == ended.at_s - began.at_s


def too_few_since(enough: Sequence[tuple[float, bool]]) -> float | None:
    """Since when the frames have shown too few; None if the last one shows enough."""
    since_s = None
    for moment_s, yes in enough:
        since_s = None if yes else (moment_s if since_s is None else since_s)
    return since_s


LABELS = ("person", "Bicycle", "traffic light")


@pytest.mark.parametrize(
    ("rule", "labels", "task", "said"),
    [
        ({"labels": ("persn",)}, LABELS, "detection", r"`door`.*no label `persn`(.|\n)*did you mean `person`\?"),
        ({"labels": ("bicycle",)}, LABELS, "detection", r"did you mean `Bicycle`\?"),
        ({"labels": ("zebra",)}, LABELS, "detection", r"its labels: person, Bicycle, traffic light"),
        ({"labels": ("person",)}, (), "detection", r"its classes are called 0, 1, 2"),
        ({"zone": LEFT_HALF}, LABELS, "classification", r"`door`: a zone needs boxes"),
        ({}, LABELS, "tensors", r"`door`: the model gives tensors"),
    ],
)
def test_a_rule_that_the_model_cannot_tell_is_refused(rule: dict, labels: tuple, task: str, said: str) -> None:
    with pytest.raises(BadConfig, match=said) as refused:
        check_rules([EventRule(name="fine"), EventRule(name="door", **rule)][task == "tensors" :], labels, task)
    assert refused.value.code == "RL-CONFIG-003"


def test_a_rule_that_the_model_can_tell_is_not_refused() -> None:
    check_rules([EventRule(name="a", labels=("person", "traffic light"), zone=LEFT_HALF)], LABELS, "detection")
    check_rules([EventRule(name="a", labels=("0", "17"))], (), "classification")
    check_rules([], (), "tensors")


def test_what_left_long_ago_takes_no_memory(thing: MakeThing) -> None:
    rules = Rules([EventRule(name="cat", clear_s=2)])
    for number in range(1000):
        rules.update([thing(number)], number / 8, WALL)
    stays = rules._courses[0]._stays
    assert len(stays._since_s) + len(stays._left_s) <= 2 * 8 + 1
