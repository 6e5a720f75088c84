import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from relens.device import LiveFrame, LiveLoop, open_camera
from relens.device.timings import STAGES
from relens.errors import DeviceTrouble
from relens.vision import Frame, VisionModel

MakeModel = Callable[..., VisionModel]
Which = Callable[[Frame], int]
pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("no_threads_left")]


def fast(clip: Path, loop: bool = True):
    return open_camera(str(clip), real_time=False, loop=loop)


def test_a_clip_as_fast_as_taken_loses_no_frame_and_keeps_its_order(
    clip: Path, which: Which, make_model: MakeModel
) -> None:
    live: list[LiveFrame] = []
    loop = LiveLoop(fast(clip, loop=False), make_model())
    loop.run(live.append)
    assert [one.number for one in live] == [which(one.frame) for one in live] == list(range(20))
    scores = [one.prediction.scores[1] for one in live]
    assert scores == pytest.approx([10 * k / 255 for k in range(20)], abs=1e-4)
    status = loop.status()
    assert (status.captured, status.inferred, status.dropped, status.errors) == (20, 20, 0, 0)


def test_every_stage_is_timed_and_frames_know_their_age(clip: Path, make_model: MakeModel) -> None:
    live: list[LiveFrame] = []
    loop = LiveLoop(fast(clip), make_model(infer_s=0.01), frames=10)
    loop.run(live.append)
    assert tuple(loop.status().stages) == STAGES
    assert 10 <= loop.status().stages["infer"].median_ms < 40
    assert all(one.age_ms >= one.stage_ms["infer"] >= 10 for one in live)
    assert loop.status().to_json()["stages"].keys() == set(STAGES)


def test_it_stops_after_the_frames_it_was_asked_for(clip: Path, make_model: MakeModel) -> None:
    live: list[LiveFrame] = []
    loop = LiveLoop(fast(clip), make_model(), frames=33)
    loop.run(live.append)
    assert len(live) == loop.status().inferred == 33


def test_the_engine_never_waits_for_preparing_decoding_or_publishing(clip: Path, make_model: MakeModel) -> None:
    model = make_model(infer_s=0.02)
    prepare, decode = model.prepare, model.decode
    model.prepare = lambda frame: time.sleep(0.015) or prepare(frame)
    model.decode = lambda *work: time.sleep(0.008) or decode(*work)
    loop = LiveLoop(fast(clip), model, frames=60)
    loop.run(lambda live: time.sleep(0.008))
    alone, one_by_one = 1 / 0.02, 1 / 0.051
    fps = loop.inferred.overall()
    assert fps > 0.8 * alone, f"{fps:.1f} fps of {alone:.1f} alone; one after the other gives {one_by_one:.1f}"


def test_a_live_camera_drops_old_frames_and_never_falls_behind(clip: Path, which: Which, make_model: MakeModel) -> None:
    live: list[LiveFrame] = []
    loop = LiveLoop(open_camera(str(clip)), make_model(infer_s=0.1), frames=8)
    loop.run(live.append)
    numbers = [one.number for one in live]
    assert numbers == sorted(numbers) and numbers[-1] >= 18, f"8 x 0.1 s at 30 fps, and got {numbers}"
    assert loop.status().dropped >= 10
    # One wait for the engine, one inference, and a frame's time: not a queue's worth of them.
    assert max(one.age_ms for one in live[1:]) < 250, [one.age_ms for one in live]


def test_a_slow_publisher_loses_frames_of_a_live_camera_and_does_not_slow_the_engine(
    clip: Path, make_model: MakeModel
) -> None:
    live: list[LiveFrame] = []

    def slow(one: LiveFrame) -> None:
        time.sleep(0.2)
        live.append(one)

    loop = LiveLoop(open_camera(str(clip)), make_model(), frames=30)
    loop.run(slow)
    assert loop.inferred.overall() > 25 and len(live) < 10


def test_a_frame_that_fails_is_counted_and_the_others_come_through(clip: Path, make_model: MakeModel) -> None:
    model = make_model()
    decode = model.decode
    seen: list[int] = []

    def moody(outputs, placement):
        seen.append(len(seen))
        if len(seen) % 3 == 0:
            raise ValueError("a box without corners")
        return decode(outputs, placement)

    model.decode = moody
    live: list[LiveFrame] = []
    loop = LiveLoop(fast(clip), model, frames=90)
    loop.run(live.append)
    assert (loop.status().errors, len(live)) == (30, 60)


def test_thirty_failures_in_a_row_end_it_with_the_cause(clip: Path, make_model: MakeModel) -> None:
    model = make_model()

    def broken(frame: Frame):
        raise ValueError("no such lens")

    model.prepare = broken
    with pytest.raises(DeviceTrouble, match=r"RL-DEVICE-002: prepare failed on 30 frames in a row.*no such lens"):
        LiveLoop(fast(clip), model).run(lambda live: None)


def test_a_publisher_that_fails_is_not_the_models_fault(clip: Path, make_model: MakeModel) -> None:
    def broken(live: LiveFrame) -> None:
        raise OSError("broker gone")

    loop = LiveLoop(fast(clip), make_model(), frames=20)
    loop.run(broken)
    assert (loop.status().inferred, loop.failures.counts["publish"]) == (20, 20)


def test_stop_ends_it_from_another_thread(clip: Path, make_model: MakeModel) -> None:
    loop = LiveLoop(open_camera(str(clip)), make_model())
    threading.Timer(0.3, loop.stop).start()
    start = time.monotonic()
    loop.run(lambda live: None)
    assert time.monotonic() - start < 2


def test_it_tells_for_how_long_an_inference_has_been_going_on(clip: Path, make_model: MakeModel) -> None:
    loop = LiveLoop(fast(clip), make_model(infer_s=0.5), frames=2)
    seen: list[float] = []

    def look() -> None:
        while loop.status().inferred < 2:
            seen.append(loop.status().inferring_s)
            time.sleep(0.02)

    looking = threading.Thread(target=look)
    looking.start()
    loop.run(lambda live: None)
    looking.join()
    assert 0.3 < max(seen) < 2
    assert loop.status().inferring_s == 0


class Broken:
    """A camera that gives two frames and then breaks."""

    live = False
    waited_ms = 0.0
    trouble = None
    lost = 0
    closed = False
    left = 2

    def open(self) -> None: ...

    def read(self) -> Frame | None:
        self.left -= 1
        if self.left < 0:
            raise DeviceTrouble("RL-CAMERA-003", "the cable is out", hint="put it in")
        return np.zeros((4, 4, 3), np.uint8)

    def close(self) -> None:
        self.closed = True

    def describe(self) -> str:
        return "broken"


def test_a_camera_that_breaks_ends_it_with_the_cameras_error(make_model: MakeModel) -> None:
    camera, live = Broken(), []
    with pytest.raises(DeviceTrouble, match="RL-CAMERA-003"):
        LiveLoop(camera, make_model()).run(live.append)
    assert camera.closed and len(live) == 2


def test_prepared_tensors_share_no_memory(make_model: MakeModel) -> None:
    model = make_model()
    first = model.prepare(np.full((8, 8, 3), 10, np.uint8)).tensor
    kept = first.copy()
    second = model.prepare(np.full((8, 8, 3), 200, np.uint8)).tensor
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, kept)
