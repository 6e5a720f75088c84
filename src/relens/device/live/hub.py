"""Between the loop and its viewers: one picture made for all of them, and only while there are any."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from threading import Event, Thread
from time import monotonic
from typing import Any

from relens.device.failures import Failures
from relens.device.live.seats import Seats
from relens.device.loop import LiveFrame, LoopStatus
from relens.device.slot import Slot
from relens.measure.process import process_memory
from relens.vision import drawn_jpeg, to_json

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
        kept: whether an agent keeps this camera: then there are bundles and events to show, too.
    """

    def __init__(self, about: About, status: Callable[[], LoopStatus], *, kept: bool = False) -> None:
        self.about, self.status, self.kept = about, status, kept
        self.streams, self.sockets = Seats(), Seats()
        self.failures = Failures(in_a_row=None)
        self._newest: LiveFrame | None = None
        self._waiting: Slot[LiveFrame] = Slot()
        self._closing = Event()
        self._thread = Thread(target=self._make_pictures, name="relens-pictures", daemon=True)
        self._serving: asyncio.AbstractEventLoop | None = None
        self._picture: Picture | None = None
        self._shown = asyncio.Event()

    def publish(self, live: LiveFrame) -> None:
        """Leave the newest frame; takes microseconds."""
        self._newest = live
        if self.streams.taken or self.sockets.taken:
            self._waiting.put(live)

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
        return self._jpeg(self._newest) if self._newest else None

    def describe(self, live: LiveFrame | None = None) -> dict[str, Any]:
        """All that the page shows beside the picture of a frame (else of the newest one), as plain values."""
        live, used = live or self._newest, process_memory()
        frame = None
        if live is not None:
            frame = {
                "number": live.number,
                "age_ms": round(live.age_ms, 1),
                "width": live.frame.shape[1],
                "height": live.frame.shape[0],
                "prediction": to_json(live.prediction, self.about.labels),
            }
        return {
            "about": {key: getattr(self.about, key) for key in ("name", "sha256", "engine", "camera")},
            "frame": frame,
            "loop": self.status().to_json(),
            "memory": {"resident_mb": round(used.resident_mb, 1), "peak_mb": round(used.peak_mb, 1)},
            "kept": self.kept,
            "viewers": max(self.streams.taken, self.sockets.taken),
            "page_errors": self.failures.total,
        }

    def _make_pictures(self) -> None:
        for live in self._waiting:
            began_s = monotonic()
            picture = self.failures.attempt("live page", live.number, partial(self._make_picture, live))
            if picture is not None and self._serving is not None:
                self._serving.call_soon_threadsafe(self._show, picture)
            took_s = monotonic() - began_s
            self._closing.wait(max(1 / PICTURES_PER_S - took_s, REST * took_s))

    def _make_picture(self, live: LiveFrame) -> Picture:
        # A NaN would be no JSON, and end the page's script.
        return Picture(self._jpeg(live), json.dumps(self.describe(live), allow_nan=False))

    def _jpeg(self, live: LiveFrame) -> bytes:
        return drawn_jpeg(live.frame, live.prediction, self.about.labels)

    def _show(self, picture: Picture | None) -> None:
        self._picture = picture
        self._shown.set()
        self._shown = asyncio.Event()
