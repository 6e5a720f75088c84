"""Between the loop and its viewers: one picture made for all of them, and only while there are any."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from time import monotonic
from typing import Any

from relens.bundle import Bundle
from relens.device.camera import Camera
from relens.device.events.event import Thing
from relens.device.failures import Failures
from relens.device.live.seats import Seats
from relens.device.live.shown import Shown
from relens.device.loop import LiveFrame, LoopStatus
from relens.device.slot import Slot
from relens.engines import Engine
from relens.measure.process import process_memory

PICTURES_PER_S = 15
REST = 3  # times as long as a picture took: pictures take a quarter of a core at most, also on a weak one


@dataclass(frozen=True)
class About:
    """What does not change while the loop runs."""

    name: str
    sha256: str
    engine: str
    camera: str
    labels: tuple[str, ...] = field(repr=False)

    @classmethod
    def running(cls, bundle: Bundle, engine: Engine, camera: Camera) -> "About":
        """A bundle on an engine and a camera."""
        return cls(bundle.manifest.name, bundle.sha256, str(engine.report), camera.describe(), bundle.labels)


@dataclass(frozen=True)
class Picture:
    """One published frame as viewers get it: a JPEG with what was found drawn in, and a JSON text."""

    jpeg: bytes
    message: str


class Hub:
    """Takes frames from the loop's thread, hands pictures to viewers on the server's event loop.

    The loop only leaves its newest frame here. A thread of the hub's own draws and encodes at most
    `PICTURES_PER_S` of them a second; a slow viewer finds the newest picture when it is ready for one.

    Args:
        about: what is running.
        status: the loop's counters and timings.
        things: what is followed on the newest frame.
        kept: whether an agent keeps this camera: then there are bundles and events to show, too.
    """

    def __init__(
        self,
        about: About,
        status: Callable[[], LoopStatus],
        *,
        things: Callable[[], Sequence[Thing]] = tuple,
        kept: bool = False,
    ) -> None:
        self.about, self.status, self.things, self.kept = about, status, things, kept
        self.streams, self.sockets = Seats(), Seats()
        self.failures = Failures(in_a_row=None)
        self._newest: Shown | None = None
        self._waiting: Slot[Shown] = Slot()
        self._closing = Event()
        self._thread = Thread(target=self._make_pictures, name="relens-pictures", daemon=True)
        self._serving: asyncio.AbstractEventLoop | None = None
        self._picture: Picture | None = None
        self._shown = asyncio.Event()

    def publish(self, live: LiveFrame) -> None:
        """Leave the newest frame; takes microseconds."""
        self._newest = shown = Shown(live, self.things(), self.about.labels)
        if self.streams.taken or self.sockets.taken:
            self._waiting.put(shown)

    def start(self) -> None:
        """Begin to make pictures; called on the server's event loop."""
        self._serving = asyncio.get_running_loop()
        self._thread.start()

    def close(self) -> None:
        """Make no more pictures and end all viewers' waits. From any thread."""
        self._closing.set()
        self._waiting.close()
        if self._serving is not None and self._thread.is_alive():
            self._thread.join()
            self._serving.call_soon_threadsafe(self._show, None)

    async def pictures(self) -> AsyncIterator[Picture]:
        """The newest picture, whenever the viewer is ready for another one."""
        seen: Picture | None = None
        if self._newest is not None:
            self._waiting.put(self._newest)  # a slow camera's next frame may be long in coming
        while not self._closing.is_set():
            picture = self._picture
            if picture is None or picture is seen:
                await self._shown.wait()
            else:
                seen = picture
                yield picture

    def snapshot(self) -> bytes | None:
        """The newest frame as JPEG; None before the first."""
        return self._newest.jpeg() if self._newest else None

    @property
    def viewers(self) -> int:
        """How many watch."""
        return max(self.streams.taken, self.sockets.taken)

    def describe(self, shown: Shown | None = None) -> dict[str, Any]:
        """All that the page shows beside the picture of a frame (else of the newest one), as plain values.

        `relens.device.live.status.Status` is its schema.
        """
        shown, used = shown or self._newest, process_memory()
        return {
            "about": {key: getattr(self.about, key) for key in ("name", "sha256", "engine", "camera")},
            "frame": shown.to_json() if shown else None,
            "loop": self.status().to_json(),
            "memory": {"resident_mb": round(used.resident_mb, 1), "peak_mb": round(used.peak_mb, 1)},
            "kept": self.kept,
            "viewers": self.viewers,
            "page_errors": self.failures.total,
        }

    def _make_pictures(self) -> None:
        for shown in self._waiting:
            began_s = monotonic()
            picture = self.failures.attempt("live page", shown.live.number, partial(self._make_picture, shown))
            if picture is not None and self._serving is not None:
                self._serving.call_soon_threadsafe(self._show, picture)
            took_s = monotonic() - began_s
            self._closing.wait(max(1 / PICTURES_PER_S - took_s, REST * took_s))

    def _make_picture(self, shown: Shown) -> Picture:
        # A NaN would be no JSON, and end the page's script.
        return Picture(shown.jpeg(), json.dumps(self.describe(shown), allow_nan=False))

    def _show(self, picture: Picture | None) -> None:
        self._picture = picture
        self._shown.set()
        self._shown = asyncio.Event()
