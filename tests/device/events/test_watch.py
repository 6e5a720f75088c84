import threading
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from relens.device import LiveFrame, LiveLoop, open_camera
from relens.device.events.event import Event, Phase, Thing
from relens.device.events.watch import Watch, small_picture
from relens.spec import EventRule
from relens.vision import Classes, Detections, Prediction

Found = Callable[..., Detections]
WALL = 1.75e9
LABELS = ("cat", "dog")


class Clocks:
    """Both clocks, set by the test."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return WALL + self.now_s


class Kept:
    """A log that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.pictures: list[bytes | None] = []

    def __call__(self, event: Event, picture: bytes | None) -> None:
        self.events.append(event)
        self.pictures.append(picture)

    def told(self) -> list[tuple[str, str, float]]:
        return [(event.rule, event.phase.value, event.at_s - WALL) for event in self.events]


@pytest.fixture
def kept() -> Kept:
    return Kept()


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def watching(kept: Kept, clocks: Clocks) -> Callable[..., Watch]:
    """A watch with the rules given, on the clocks above."""
    return lambda *rules: Watch(rules, LABELS, kept, clock=clocks.monotonic, wall=clocks.wall)


def live(prediction: Prediction, age_ms: float = 0.0, height: int = 360, width: int = 640) -> LiveFrame:
    return LiveFrame(0, np.full((height, width, 3), 60, np.uint8), prediction, {}, age_ms)


def test_an_event_comes_with_a_picture_of_its_frame(
    found: Found, kept: Kept, clocks: Clocks, watching: Callable[..., Watch]
) -> None:
    watch = watching(EventRule(name="door", labels=("cat",), dwell_s=1, clear_s=1))
    for clocks.now_s in (100.0, 100.5, 101.0):
        watch.publish(live(found([[100, 100, 200, 300]])))
    for clocks.now_s in (102.0, 103.0):
        watch.publish(live(found([])))
    assert kept.told() == [("door", "began", 101), ("door", "ended", 103)]
    assert kept.events[0].things == (
        Thing(1, "cat", pytest.approx(0.9), pytest.approx((100 / 640, 100 / 360, 200 / 640, 300 / 360))),
    )
    began, ended = (cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR) for picture in kept.pictures)
    assert began.shape == ended.shape == (360, 640, 3)
    assert np.ptp(began) > 100 and np.ptp(ended) < 10, "a box is drawn in one, and nothing in the other"


@pytest.mark.parametrize(
    ("size", "small"), [((1080, 1920), (360, 640)), ((2000, 500), (640, 160)), ((48, 64), (48, 64))]
)
def test_pictures_are_small_and_boxes_stay_where_they_were(
    found: Found, size: tuple[int, int], small: tuple[int, int]
) -> None:
    height, width = size
    one = live(found([[width / 2, height / 2, width, height]], classes=1), height=height, width=width)
    content = small_picture(one, LABELS)
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR).astype(int)
    assert picture.shape[:2] == small and len(content) < 100_000
    changed = np.argwhere(np.abs(picture - 60).max(axis=2) > 60)
    assert changed.max(axis=0) == pytest.approx(np.array(small) - 1, abs=2)
    assert one.frame.max() == 60 and one.prediction.boxes[0, 2] == width, "the frame itself is left alone"


def test_a_frame_counts_when_it_was_taken(
    found: Found, kept: Kept, clocks: Clocks, watching: Callable[..., Watch]
) -> None:
    watch = watching(EventRule(name="door", dwell_s=0, clear_s=2))
    watch.publish(live(found([[0, 0, 50, 50]]), age_ms=1500))
    clocks.now_s = 101.0
    watch.publish(live(found([]), age_ms=1500))
    clocks.now_s = 102.75
    watch.tick()
    assert kept.told() == [("door", "began", 98.5)], "a frame on its way may still show it"
    clocks.now_s = 103.25
    watch.tick()
    assert kept.told()[1:] == [("door", "ended", 101.5)] and kept.pictures[1] is None


def test_things_have_ids_also_while_no_rule_goes_on(
    found: Found, kept: Kept, clocks: Clocks, watching: Callable[..., Watch]
) -> None:
    watch = watching(EventRule(name="door", labels=("dog",), min_score=0.4))
    for clocks.now_s in (100.0, 100.1):
        watch.publish(live(found([[0, 0, 50, 50], [300, 0, 350, 50]], [0.45, 0.39])))
    assert [(thing.id, thing.label) for thing in watch.things] == [(1, "cat")], "0.39 is too weak for every rule"
    assert kept.events == []


def test_without_rules_nothing_is_done(found: Found, kept: Kept) -> None:
    watch = Watch([], LABELS, kept, clock=lambda: 1 / 0, wall=lambda: 1 / 0)
    watch.publish(live(found([[0, 0, 50, 50]])))
    assert (watch.things, kept.events) == ((), [])


def test_a_classifiers_events(kept: Kept, clocks: Clocks, watching: Callable[..., Watch]) -> None:
    watch = watching(EventRule(name="dog", labels=("dog",), min_score=0.75, dwell_s=0, clear_s=0))
    for clocks.now_s, score in ((100.0, 0.5), (101.0, 0.75), (102.0, 0.625)):
        watch.publish(live(Classes(np.array([1 - score, score], np.float32))))
    assert kept.told() == [("dog", "began", 101), ("dog", "ended", 102)]
    assert kept.events[0].things[0].id == 1 and kept.events[0].things[0].box is None


def test_events_of_one_frame_share_its_picture(found: Found, kept: Kept, watching: Callable[..., Watch]) -> None:
    watching(EventRule(name="a", dwell_s=0), EventRule(name="b", dwell_s=0)).publish(live(found([[0, 0, 50, 50]])))
    assert [event.rule for event in kept.events] == ["a", "b"]
    assert kept.pictures[0] is kept.pictures[1] is not None


def test_finish_ends_what_goes_on(found: Found, kept: Kept, clocks: Clocks, watching: Callable[..., Watch]) -> None:
    watch = watching(EventRule(name="door", dwell_s=0))
    watch.publish(live(found([[0, 0, 50, 50]])))
    clocks.now_s = 105.0
    watch.finish()
    watch.finish()
    assert kept.told() == [("door", "began", 100), ("door", "ended", 105)]
    assert (kept.events[1].lasted_s, watch.things) == (5, ())


def test_ticks_from_another_thread_never_mix_up_the_order(found: Found, kept: Kept) -> None:
    watch, done = Watch([EventRule(name="door", dwell_s=0, clear_s=1e-5)], LABELS, kept), threading.Event()

    def tick() -> None:
        while not done.is_set():
            watch.tick()

    ticking = threading.Thread(target=tick)
    ticking.start()
    for number in range(400):
        watch.publish(live(found([[0, 0, 50, 50]] if number % 2 else []), height=48, width=64))
    done.set()
    ticking.join()
    phases = [event.phase for event in kept.events]
    assert phases == [(Phase.BEGAN, Phase.ENDED)[number % 2] for number in range(len(phases))] and len(phases) > 10
    times = [event.at_s for event in kept.events]
    assert times == sorted(times)


def test_bottles_that_are_taken_away_and_put_back_are_the_events_of_a_real_clip(bottles, kept: Kept) -> None:
    left = ((0.0, 0.0), (0.3, 0.0), (0.3, 1.0), (0.0, 1.0))
    rules = [
        EventRule(name="left", labels=("39",), zone=left, dwell_s=1, clear_s=1),
        EventRule(name="three", labels=("39",), at_least=3, dwell_s=1, clear_s=1),
    ]
    clocks = Clocks()
    watch = Watch(rules, (), kept, clock=clocks.monotonic, wall=clocks.wall)
    for one in bottles:
        clocks.now_s = one.time_s
        watch.publish(LiveFrame(0, one.frame, one.prediction, {}, 0.0))
    watch.finish()
    told = {rule: [at_s for name, _, at_s in kept.told() if name == rule] for rule in ("left", "three")}
    there = {"left": [0, 7, 12, 18, 28, 40], "three": [0, 7, 12, 18, 28, 32, 35, 40]}
    for rule, expected in there.items():
        late = [moment + 1 for moment in expected[:-1]] + expected[-1:]  # dwell_s and clear_s
        assert told[rule] == pytest.approx(late, abs=0.8), told


def test_the_live_loop_takes_it_as_its_publisher(clip, make_model, kept: Kept) -> None:
    # Frame k of twenty has brightness 10 k: above 0.5 from the thirteenth on.
    watch = Watch([EventRule(name="light", labels=("1",), min_score=0.5, dwell_s=0)], (), kept)
    loop = LiveLoop(open_camera(str(clip), real_time=False, loop=False), make_model())
    loop.run(watch.publish)
    watch.finish()
    assert [(event.rule, event.phase.value) for event in kept.events] == [("light", "began"), ("light", "ended")]
    assert kept.events[0].things[0].score == pytest.approx(130 / 255, abs=1e-3)
    assert loop.failures.total == 0
