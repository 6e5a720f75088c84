import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import pytest

from relens.device.events.event import BLIND_S, Thing
from relens.device.events.tracker import Tracker
from relens.vision import Classes, Detections, Tensors

Found = Callable[..., Detections]
SIZE = (640, 360)


def ids(things: Iterable[Thing]) -> list[int]:
    return [thing.id for thing in things]


def times(fps: float, seconds: float) -> Iterator[float]:
    return (number / fps for number in range(round(fps * seconds)))


def walker(x: float, y: float = 200, width: float = 50, height: float = 120) -> list[float]:
    return [x, y - height, x + width, y]


@pytest.mark.parametrize("fps", [60, 30, 15, 8, 5])
def test_two_who_cross_keep_their_ids_though_the_one_behind_is_hidden(found: Found, fps: int) -> None:
    tracker, seen = Tracker(), defaultdict(set)
    for now_s in times(fps, 5):
        left, right = walker(50 + 90 * now_s), walker(500 - 90 * now_s, y=210)
        hidden = abs(left[0] - right[0]) < 35
        boxes = [right] if hidden else [right, left]
        for thing in tracker.update(found(boxes), ("person",), *SIZE, now_s):
            at_bottom = thing.box[3] * SIZE[1] > 205
            seen["front" if at_bottom else "behind"].add(thing.id)
    assert {who: len(numbers) for who, numbers in seen.items()} == {"front": 1, "behind": 1}


@pytest.mark.parametrize("fps", [30, 3, 2, 1])
def test_who_walks_alone_keeps_the_id_at_any_frame_rate(found: Found, fps: int) -> None:
    tracker = Tracker()
    seen = [tracker.update(found([walker(20 + 60 * now)]), (), *SIZE, now) for now in times(fps, 8)]
    assert {one for things in seen for one in ids(things)} == {1}, "60 pixels a second, 50 wide"


def test_frames_need_not_come_evenly(found: Found) -> None:
    rng, tracker, now_s = np.random.default_rng(3), Tracker(), 0.0
    for _ in range(200):
        now_s += rng.choice([0.01, 0.03, 0.2, 0.5])
        x = 300 + 250 * np.sin(now_s / 2)
        assert ids(tracker.update(found([walker(x), walker(300, y=350)]), (), *SIZE, now_s)) == [1, 2]


@pytest.mark.parametrize("fps", [60, 30, 10, 2])
@pytest.mark.parametrize(("hidden_s", "same"), [(0.6, True), (1.6, False)])
def test_who_is_hidden_for_less_than_a_second_keeps_the_id(found: Found, fps: int, hidden_s: float, same: bool) -> None:
    tracker, seen = Tracker(keep_s=1.0), set()
    for now_s in times(fps, 6):
        hidden = 2 < now_s < 2 + hidden_s
        seen.update(ids(tracker.update(found([] if hidden else [walker(100)]), (), *SIZE, now_s)))
    assert seen == ({1} if same else {1, 2})


def test_one_frame_without_it_is_forgiven_at_any_frame_rate(found: Found) -> None:
    tracker = Tracker(keep_s=1.0)
    there = [(0, True), (2, True), (4, False), (6, True), (8, False), (9, False), (10, True)]
    seen = [ids(tracker.update(found([walker(100)] if yes else []), (), *SIZE, now_s)) for now_s, yes in there]
    assert seen == [[1], [1], [], [1], [], [], [2]]


def test_only_what_is_on_the_frame_is_returned(found: Found) -> None:
    tracker = Tracker()
    tracker.update(found([walker(100), walker(300)]), (), *SIZE, 0.0)
    assert ids(tracker.update(found([walker(300)]), (), *SIZE, 0.1)) == [2]
    assert ids(tracker.update(found([]), (), *SIZE, 0.2)) == []
    assert ids(tracker.update(found([walker(100)]), (), *SIZE, 0.3)) == [1]


def test_a_weak_box_continues_a_thing_and_never_starts_one(found: Found) -> None:
    tracker = Tracker(start_score=0.5)
    assert tracker.update(found([walker(100)], 0.49), (), *SIZE, 0.0) == ()
    assert ids(tracker.update(found([walker(100)], 0.5), (), *SIZE, 0.1)) == [1]
    (thing,) = tracker.update(found([walker(100)], 0.31), (), *SIZE, 0.2)
    assert (thing.id, thing.score) == (1, pytest.approx(0.31))


def test_strong_boxes_choose_first(found: Found) -> None:
    tracker = Tracker()
    tracker.update(found([walker(100)]), (), *SIZE, 0.0)
    things = tracker.update(found([walker(101), walker(108)], [0.3, 0.8]), (), *SIZE, 0.1)
    assert [(thing.id, round(thing.score, 2)) for thing in things] == [(1, 0.8)]


def test_classes_are_not_mixed(found: Found) -> None:
    tracker = Tracker()
    tracker.update(found([walker(100)], classes=0), ("cat", "dog"), *SIZE, 0.0)
    things = tracker.update(found([walker(100)] * 2, [0.9, 0.8], [1, 0]), ("cat", "dog"), *SIZE, 0.1)
    assert [(thing.id, thing.label) for thing in things] == [(2, "dog"), (1, "cat")]


def test_a_class_of_the_whole_frame_has_its_index_as_id() -> None:
    scores = np.array([0.1, 0.6, 0.9], np.float32)
    things = Tracker(0.5).update(Classes(scores), ("a", "b", "c"), *SIZE, 0.0)
    assert [(thing.id, thing.label, thing.box) for thing in things] == [(2, "c", None), (1, "b", None)]


def test_tensors_show_no_things() -> None:
    assert Tracker().update(Tensors({"x": np.ones(3, np.float32)}), (), *SIZE, 0.0) == ()


def test_boxes_are_fractions_of_the_frame_and_stay_in_it(found: Found) -> None:
    (thing,) = Tracker().update(found([[-20, 90, 320, 400]]), (), *SIZE, 0.0)
    assert thing.box == (0, 0.25, 0.5, 1)


def test_boxes_that_are_no_numbers_harm_nobody(found: Found) -> None:
    tracker, nan, inf = Tracker(), float("nan"), float("inf")
    for number in range(5):
        boxes = [walker(100), [nan, 0, 10, 10], [0, 0, inf, 10], walker(300), [5, 5, 5, 5]]
        things = tracker.update(found(boxes, [0.9, 0.9, 0.9, nan, 0.6]), (), *SIZE, number / 10)
        assert ids(things) == [1, 2]


def test_after_a_long_time_without_frames_nothing_is_known_any_more(found: Found) -> None:
    tracker = Tracker()
    tracker.update(found([walker(100)]), (), *SIZE, 0.0)
    assert ids(tracker.update(found([walker(100)]), (), *SIZE, BLIND_S - 1)) == [1]
    assert ids(tracker.update(found([walker(100)]), (), *SIZE, 2 * BLIND_S)) == [2]


def test_two_frames_of_the_same_moment_or_out_of_order_are_borne(found: Found) -> None:
    tracker = Tracker()
    for now_s in (1.0, 1.0, 0.9, 1.1):
        assert ids(tracker.update(found([walker(100)]), (), *SIZE, now_s)) == [1]


@pytest.mark.alone
def test_thirty_things_cost_well_under_a_millisecond(found: Found) -> None:
    tracker, rng, took = Tracker(), np.random.default_rng(0), []
    corners = rng.uniform(0, 300, (30, 2))
    boxes = np.concatenate([corners, corners + 40], axis=1)
    for number in range(300):
        noisy = found(boxes + rng.normal(0, 1, (30, 4)), rng.uniform(0.3, 0.9, 30))
        began = time.perf_counter()
        tracker.update(noisy, (), *SIZE, number / 30)
        took.append((time.perf_counter() - began) * 1e3)
    undisturbed_ms = np.quantile(took, 0.1)
    assert undisturbed_ms < 1, f"{undisturbed_ms:.2f} ms"


def test_the_bottles_of_a_real_clip_get_one_id_for_each_time_they_stand_there(bottles) -> None:
    tracker, seen = Tracker(), defaultdict(list)
    for one in bottles:
        for thing in tracker.update(one.prediction, range(80), *SIZE, one.time_s):
            if thing.label == 39:
                seen[thing.id].append((one.time_s, (thing.box[0] + thing.box[2]) / 2))
    stays = [(round(there[0][0]), round(there[-1][0]), round(there[-1][1], 1)) for there in seen.values()]
    expected = [
        (0, 32, 0.8), (0, 18, 0.5), (0, 7, 0.1), (12, 18, 0.1), (22, 40, 0.5), (28, 40, 0.1), (35, 40, 0.8),
    ]  # fmt: skip
    assert len(stays) == 7, stays
    for (began_s, ended_s, x), right in zip(sorted(stays), sorted(expected), strict=True):
        assert (began_s, ended_s) == pytest.approx(right[:2], abs=1), stays
        assert x == pytest.approx(right[2], abs=0.15), stays
