"""The live loop: capture, prepare, infer, decode and publish, each frame in its own stage at the same time."""

from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from time import monotonic, perf_counter
from typing import Any, Generic, Protocol, TypeVar

from relens.device.camera import Camera
from relens.device.failures import Failures
from relens.device.slot import Slot
from relens.device.timings import Histogram, Rate, StageTime, Timings
from relens.vision import Frame, Outputs, Placement, Prediction, Prepared

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")


@dataclass(frozen=True)
class LiveFrame:
    """One frame and what the model says about it.

    number: counts captured frames from 0. frame: (H, W, 3) uint8 BGR, not to be changed.
    stage_ms: what each stage took for it. age_ms: from its capture until now.
    """

    number: int
    frame: Frame = field(repr=False)
    prediction: Prediction
    stage_ms: Mapping[str, float]
    age_ms: float


class Steps(Protocol):
    """What the loop does with a frame; `relens.vision.VisionModel`, or something around one."""

    def prepare(self, frame: Frame, /) -> Prepared:
        """Frame (H, W, 3) uint8 BGR to input tensor."""
        ...

    def infer(self, prepared: Prepared, /) -> Outputs:
        """Input tensor to float outputs by name."""
        ...

    def decode(self, outputs: Outputs, placement: Placement, /) -> Prediction:
        """Float outputs to a prediction in frame pixels."""
        ...


Publisher = Callable[[LiveFrame], None]
"""Takes each frame with its prediction, in a thread of its own. Slow ones lose frames, and never slow the engine."""


@dataclass(frozen=True)
class LoopStatus:
    """What the loop has done so far.

    fps: inferred frames a second, over the last five seconds. last_inferred_s: how long ago, None before the first.
    inferring_s: for how long the present inference has been going on, 0 between two. trouble: why the camera gives no
    frames at the moment. lost: how often the camera went away.
    """

    captured: int
    dropped: int
    inferred: int
    errors: int
    fps: float
    seconds: float
    last_inferred_s: float | None
    stages: Mapping[str, StageTime]
    inferring_s: float = 0.0
    trouble: str | None = None
    lost: int = 0
    histograms: Mapping[str, Histogram] = field(default_factory=dict, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values, rounded for reading."""
        stages = {
            name: {"median_ms": round(time.median_ms, 2), "p90_ms": round(time.p90_ms, 2)}
            for name, time in self.stages.items()
        }
        since = None if self.last_inferred_s is None else round(self.last_inferred_s, 2)
        rounded = {"fps": round(self.fps, 2), "seconds": round(self.seconds, 1), "last_inferred_s": since}
        counters = {key: getattr(self, key) for key in ("captured", "dropped", "inferred", "errors")}
        return {**counters, **rounded, "trouble": self.trouble, "lost": self.lost, "stages": stages}


@dataclass(frozen=True)
class _Shot:
    number: int
    frame: Frame
    captured_s: float
    stage_ms: dict[str, float]


@dataclass(frozen=True)
class _Carried(Generic[T]):
    """What one stage hands to the next: a shot and the work done on it so far."""

    shot: _Shot
    work: T


class LiveLoop:
    """Runs a model on a camera.

    Four threads, joined by slots that hold one value: while frame k is inferred, k+1 is captured and prepared and
    k-1 is decoded and published. A live camera's older frames are replaced by newer ones at every hand-over; a
    camera that is not live waits, and loses none.

    Args:
        camera: opened and closed by `run`.
        model: used by this loop alone while it runs; its three steps are called from three threads.
        frames: stop after so many inferred frames.
        failures: how much trouble with single frames to bear.
    """

    def __init__(
        self, camera: Camera, model: Steps, *, frames: int | None = None, failures: Failures | None = None
    ) -> None:
        self.camera, self.model, self.frames = camera, model, frames
        self.failures = failures or Failures()
        self.timings = Timings()
        self.inferred = Rate()
        self._began_s = monotonic()
        self._number = 0
        self._inferring_since_s: float | None = None
        self._captured: Slot[_Carried[Frame]] = Slot(lossless=not camera.live)
        self._prepared: Slot[_Carried[Prepared]] = Slot(lossless=not camera.live)
        self._inferred: Slot[_Carried[tuple[Outputs, Placement]]] = Slot(lossless=not camera.live)

    def run(self, publish: Publisher) -> None:
        """Run until the camera ends, `frames` are inferred, or `stop` is called. Once only.

        Raises:
            DeviceTrouble: from the camera, or RL-DEVICE-002 when too many frames in a row failed.
        """
        self._began_s = monotonic()
        self.camera.open()
        with closing(self.camera), ThreadPoolExecutor(4, thread_name_prefix="relens") as pool:
            stages = [
                pool.submit(self._capture),
                pool.submit(self._stage, "prepare", self._captured, self._prepared, self.model.prepare),
                pool.submit(self._stage, "infer", self._prepared, self._inferred, self._infer, self.frames),
                pool.submit(self._finish, publish),
            ]
            try:
                wait(stages, return_when=FIRST_EXCEPTION)
            finally:
                self.stop()
        for stage in stages:
            stage.result()

    def stop(self) -> None:
        """End the loop soon, from any thread or signal handler; frames on their way are still published."""
        self._captured.close()
        self.camera.close()

    def status(self) -> LoopStatus:
        """Counters and timings so far; cheap, from any thread."""
        return LoopStatus(
            captured=self._number,
            dropped=self._captured.dropped + self._prepared.dropped + self._inferred.dropped,
            inferred=self.inferred.count,
            errors=self.failures.total,
            fps=self.inferred.per_second(),
            seconds=monotonic() - self._began_s,
            last_inferred_s=monotonic() - self.inferred.last_s if self.inferred.count else None,
            stages=self.timings.summary(),
            inferring_s=monotonic() - since_s if (since_s := self._inferring_since_s) is not None else 0.0,
            trouble=self.camera.trouble,
            lost=self.camera.lost,
            histograms=self.timings.histograms(),
        )

    def _capture(self) -> None:
        with closing(self._captured):
            while True:
                began = perf_counter()
                frame = self.camera.read()
                if frame is None:
                    return
                shot = _Shot(self._number, frame, monotonic(), {})
                self._note("capture", shot, (perf_counter() - began) * 1e3 - self.camera.waited_ms)
                self._number += 1
                if not self._captured.put(_Carried(shot, frame)):
                    return

    def _stage(
        self,
        name: str,
        source: Slot[_Carried[A]],
        target: Slot[_Carried[B]],
        work: Callable[[A], B],
        limit: int | None = None,
    ) -> None:
        """Work until the source ends, the target is closed, or `limit` results are made; then close both."""
        done = 0
        with closing(source), closing(target):
            while done != limit and (item := source.take()) is not None:
                result = self._attempt(name, item.shot, partial(work, item.work))
                if result is not None:
                    done += 1
                    if not target.put(_Carried(item.shot, result)):
                        return

    def _infer(self, prepared: Prepared) -> tuple[Outputs, Placement]:
        self._inferring_since_s = monotonic()
        try:
            outputs = self.model.infer(prepared)
        finally:
            self._inferring_since_s = None
        self.inferred.tick()
        return outputs, prepared.placement

    def _finish(self, publish: Publisher) -> None:
        with closing(self._inferred):
            for item in self._inferred:
                shot = item.shot
                prediction = self._attempt("decode", shot, partial(self.model.decode, *item.work))
                if prediction is not None:
                    age_ms = (monotonic() - shot.captured_s) * 1e3
                    live = LiveFrame(shot.number, shot.frame, prediction, dict(shot.stage_ms), age_ms)
                    self._attempt("publish", shot, partial(publish, live))

    def _attempt(self, stage: str, shot: _Shot, work: Callable[[], T]) -> T | None:
        began = perf_counter()
        result = self.failures.attempt(stage, shot.number, work)
        self._note(stage, shot, (perf_counter() - began) * 1e3)
        return result

    def _note(self, stage: str, shot: _Shot, duration_ms: float) -> None:
        shot.stage_ms[stage] = duration_ms
        self.timings.add(stage, duration_ms)
