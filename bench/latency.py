"""What the live loop adds to an answer, beside the model's own work: a real-time camera, with and without a viewer.

From a frame's capture (it is decoded by then) to its prediction, less what inference took: preparing, reading the
outputs, and the hand-overs between threads. Slices without and with a viewer of the live page take turns with slices
of three bare hand-overs from thread to thread at the same pace, which is as many as the loop has: what of the spread is
the machine's own.

    python bench/latency.py flowers.relens --camera bottle-detection.mp4
"""

import argparse
import itertools
import statistics
import tempfile
import threading
import time
from pathlib import Path

from live_loop import start_viewer

from relens.bundle import open_bundle
from relens.device.camera import open_camera
from relens.device.foreground import to_all
from relens.device.live import About, LivePage
from relens.device.loop import LiveFrame, LiveLoop
from relens.device.model import load_model
from relens.device.slot import Slot
from relens.measure.host import host_fingerprint
from relens.vision import VisionModel

WARM_UP = 30
FPS, HAND_OVERS = 30, 3


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--camera", required=True, help="a clip")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10, help="of one slice")
    options = parser.parse_args()
    found: dict[int, list[LiveFrame]] = {0: [], 1: []}
    bare_ms: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        model = load_model(open_bundle(options.bundle, Path(folder)))
        for _ in range(options.rounds):
            for viewers, frames in found.items():
                frames.extend(lived(model, options.camera, options.seconds, viewers))
            bare_ms.extend(handed_over(options.seconds))
    print(host_fingerprint())
    print(model.engine.report)
    for viewers, frames in found.items():
        added = [frame.age_ms - frame.stage_ms["infer"] for frame in frames]
        model_ms = [sum(frame.stage_ms[stage] for stage in ("prepare", "infer", "decode")) for frame in frames]
        alone = [frame.age_ms - own_ms for frame, own_ms in zip(frames, model_ms, strict=True)]
        print(f"{viewers} viewer(s), {len(frames)} frames: capture to answer {told([f.age_ms for f in frames])}")
        print(f"  less inference {told(added)}, less preparing and reading, too {told(alone)}")
    print(f"three bare hand-overs, {len(bare_ms)} times: {told(bare_ms)}")


def handed_over(seconds: float) -> list[float]:
    """Milliseconds from the first thread to the fourth, thirty times a second."""
    slots: list[Slot[float]] = [Slot() for _ in range(HAND_OVERS)]
    found: list[float] = []

    def pass_on(taken: Slot[float], given: Slot[float]) -> None:
        for began_s in taken:
            given.put(began_s)
        given.close()

    def receive() -> None:
        found.extend((time.perf_counter() - began_s) * 1e3 for began_s in slots[-1])

    threads = [threading.Thread(target=pass_on, args=pair) for pair in itertools.pairwise(slots)]
    threads.append(threading.Thread(target=receive))
    for thread in threads:
        thread.start()
    for _ in range(int(seconds * FPS)):
        time.sleep(1 / FPS)
        slots[0].put(time.perf_counter())
    slots[0].close()
    for thread in threads:
        thread.join()
    return found[WARM_UP:]


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
