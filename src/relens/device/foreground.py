"""Accept a bundle, then run it on a camera with its live page."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from relens.bundle.bundle import Bundle
from relens.device.acceptance import examine
from relens.device.camera import open_camera
from relens.device.live import About, LivePage
from relens.device.loop import LiveFrame, LiveLoop, Publisher
from relens.device.model import load_model
from relens.device.signals import stopped_by_signals
from relens.device.timings import StageTime
from relens.measure.process import process_memory


@dataclass(frozen=True, repr=False)
class Summary:
    """What a run did. fps: from the first inferred frame to the last; peak_memory_mb: MB = 1e6 bytes."""

    bundle: str
    camera: str
    engine: str
    frames: int
    seconds: float
    fps: float
    dropped: int
    errors: int
    stages: Mapping[str, StageTime]
    peak_memory_mb: float

    @classmethod
    def of(cls, about: About, loop: LiveLoop) -> "Summary":
        """A loop that has ended."""
        status = loop.status()
        return cls(
            bundle=f"{about.name} {about.sha256[:12]}",
            camera=about.camera,
            engine=about.engine,
            frames=status.inferred,
            seconds=status.seconds,
            fps=loop.inferred.overall(),
            dropped=status.dropped,
            errors=status.errors,
            stages=status.stages,
            peak_memory_mb=process_memory().peak_mb,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**vars(self), "stages": {name: vars(time) for name, time in self.stages.items()}}

    def __repr__(self) -> str:
        lines = [
            f"{self.bundle} on {self.camera}",
            f"  {self.engine}",
            f"  {self.frames} frames in {self.seconds:.1f} s, {self.fps:.1f} fps, "
            f"{self.dropped} dropped, {self.errors} errors, peak memory {self.peak_memory_mb:.0f} MB",
        ]
        lines += [
            f"  {name:8} {time.median_ms:7.2f} ms median, {time.p90_ms:7.2f} ms p90"
            for name, time in self.stages.items()
        ]
        return "\n".join(lines)


def run(
    bundle: Bundle,
    camera: str,
    *,
    frames: int | None = None,
    live: bool = True,
    host: str = "127.0.0.1",
    port: int = 8080,
    certificate: Path | None = None,
    key: Path | None = None,
    token: str | None = None,
    engine: str | None = None,
    threads: int | None = None,
    real_time: bool = True,
    loop: bool = True,
    on_ready: Callable[[str], None] | None = None,
    publish: Publisher | None = None,
) -> Summary:
    """Run until the camera ends, `frames` are inferred, or SIGINT or SIGTERM comes.

    Args:
        bundle: an opened bundle.
        camera: what `open_camera` takes.
        frames: stop after so many inferred frames.
        live: serve the live page.
        host: where the page listens; beyond loopback it is open to the network, and must be HTTPS.
        port: 0 takes a free one.
        certificate, key: the page's, in PEM.
        token: what opens the page; None makes a new one.
        engine: another engine than the manifest's.
        threads: another number of threads than the manifest's.
        real_time: see `open_camera`.
        loop: see `open_camera`.
        on_ready: called with the page's address, token included, once it listens.
        publish: called with every frame and its prediction, in a thread of its own.

    Raises:
        BadConfig: RL-CONFIG-003 when the page would be open to other machines without HTTPS.
        DeviceTrouble: RL-DEVICE-003 when the acceptance refuses the bundle, -001 when the page cannot listen,
            -002 when too many frames in a row fail; RL-CAMERA-001 to -003 from the camera.
        EngineTrouble: the engine is missing (RL-ENGINE-001) or refuses the model (-002).
    """
    source = open_camera(camera, real_time, loop)
    model = load_model(bundle, engine, threads)
    examine(bundle, model).raise_if_refused()
    running = LiveLoop(source, model, frames=frames)
    about = About.running(bundle, model.engine, source)
    publishers = [publish] if publish else []
    with ExitStack() as stack:
        if live:
            served = LivePage(
                about, running.status, host=host, port=port, certificate=certificate, key=key, token=token
            )
            page = stack.enter_context(served)
            publishers.append(page.publish)
            if on_ready:
                on_ready(page.url)
        stack.enter_context(stopped_by_signals(running.stop))
        running.run(to_all(publishers))
    return Summary.of(about, running)


def to_all(publishers: Sequence[Publisher]) -> Publisher:
    """One publisher that hands each frame to all of them, in turn."""

    def publish(live: LiveFrame) -> None:
        for publisher in publishers:
            publisher(live)

    return publish
