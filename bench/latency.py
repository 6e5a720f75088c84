"""What the live loop adds to an answer, beside the model's own work: a real-time camera, with and without a viewer.

From a frame's capture (it is decoded by then) to its prediction, less what inference took: preparing, reading the
outputs, and the hand-overs between threads. Slices without and with a viewer of the live page take turns.

    python bench/latency.py flowers.relens --camera bottle-detection.mp4
"""

import argparse
import statistics
import tempfile
import threading
from pathlib import Path

from live_loop import start_viewer

from relens.bundle import open_bundle
from relens.device.camera import open_camera
from relens.device.foreground import to_all
from relens.device.live import About, LivePage
from relens.device.loop import LiveFrame, LiveLoop
from relens.device.model import load_model
from relens.measure.host import host_fingerprint
from relens.vision import VisionModel

WARM_UP = 30


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--camera", required=True, help="a clip")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10, help="of one slice")
    options = parser.parse_args()
    found: dict[int, list[LiveFrame]] = {0: [], 1: []}
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(open_bundle(options.bundle, Path(folder)))
        for _ in range(options.rounds):
            for viewers, frames in found.items():
                frames.extend(lived(model, options.camera, options.seconds, viewers))
    print(host_fingerprint())
    print(model.engine.report)
    for viewers, frames in found.items():
        added = [frame.age_ms - frame.stage_ms["infer"] for frame in frames]
        model_ms = [sum(frame.stage_ms[stage] for stage in ("prepare", "infer", "decode")) for frame in frames]
        alone = [frame.age_ms - own_ms for frame, own_ms in zip(frames, model_ms, strict=True)]
        print(f"{viewers} viewer(s), {len(frames)} frames: capture to answer {told([f.age_ms for f in frames])}")
        print(f"  less inference {told(added)}, less preparing and reading, too {told(alone)}")


def lived(model: VisionModel, camera: str, seconds: float, viewers: int) -> list[LiveFrame]:
    """The frames of one slice, without their pictures, after a warm-up."""
    seen: list[LiveFrame] = []

    def note(live: LiveFrame) -> None:
        seen.append(LiveFrame(live.number, live.frame[:1, :1], live.prediction, live.stage_ms, live.age_ms))

    loop = LiveLoop(open_camera(camera), model)
    about = About("bench", "0" * 64, str(model.engine.report), camera, ())
    with LivePage(about, loop.status, port=0) as page:
        watching = [start_viewer(page.url) for _ in range(viewers)]
        threading.Timer(seconds, loop.stop).start()
        loop.run(to_all([note, page.publish]))
        for viewer in watching:
            viewer.communicate("")
    return seen[WARM_UP:]


def told(values: list[float]) -> str:
    """Median and 99th percentile."""
    ordered = sorted(values)
    return f"p50 {statistics.median(ordered):.2f} ms, p99 {ordered[int(0.99 * len(ordered))]:.2f} ms"


if __name__ == "__main__":
    main()
