"""How much of an engine's own speed is left in the live loop, with a viewer watching?

Two slices take turns: A calls the engine alone, in a loop, on tensors prepared beforehand; B runs the whole live
loop on a clip, as fast as frames are taken, with viewers (a process each) on the picture stream and the message
socket. What counts is the ratio of their frame rates within each round. Where other programs share the machine, look
at the quiet rounds: those in which they took less than a tenth of a core. With `--viewers 0 1 5` the numbers of viewers
take turns, too.

    python bench/live_loop.py --bundle yolox.relens --camera bottle-detection.mp4 --threads 1
    python bench/live_loop.py --model yolox.tflite --decoder yolo --resize letterbox-top-left --colour bgr \
        --scaling 0..255 --camera bottle-detection.mp4 --threads 1 2
"""

import argparse
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from relens.bundle.reader import open_bundle
from relens.device.camera import open_camera
from relens.device.live import About, LivePage
from relens.device.loop import LiveLoop, LoopStatus, Publisher
from relens.engines import Engine, load_engine
from relens.spec import InputSpec, OutputSpec
from relens.vision import VisionModel, frames_from

# The viewer reads all it is sent, and says at the end how much that was.
VIEWER = """
import http.client, json, sys, threading, urllib.parse
from websockets.sync.client import connect
url = urllib.parse.urlsplit(sys.argv[1])
got = {"bytes": 0, "messages": 0}
def stream():
    connection = http.client.HTTPConnection(url.netloc)
    connection.request("GET", f"/stream.mjpg?{url.query}")
    answer = connection.getresponse()
    while chunk := answer.read1(1 << 20):
        got["bytes"] += len(chunk)
def messages():
    with connect(f"ws://{url.netloc}/ws?{url.query}") as socket:
        for message in socket:
            got["messages"] += 1
for work in (stream, messages):
    threading.Thread(target=work, daemon=True).start()
sys.stdin.read()
print(json.dumps(got))
"""


QUIET_CORES = 0.1


@dataclass(frozen=True)
class Round:
    """Frames a second of both slices, and how many cores other programs took meanwhile."""

    bare_fps: float
    live_fps: float
    others: float

    @property
    def ratio(self) -> float:
        """The live loop's share of the engine's own speed."""
        return self.live_fps / self.bare_fps


def main() -> None:
    """Parse, measure, print."""
    options = arguments()
    for threads in options.threads:
        with tempfile.TemporaryDirectory() as folder:
            model = load(options, threads, Path(folder))
            print(f"\n{model.engine.report}", flush=True)
            for viewers, (rounds, status) in measure(model, options).items():
                print(f"\n{viewers} viewer(s)")
                report(rounds, status)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--bundle", type=Path)
    source.add_argument("--model", type=Path, help="a .tflite file, with the options below")
    parser.add_argument("--decoder", default="softmax")
    parser.add_argument("--resize", default="stretch")
    parser.add_argument("--colour", default="rgb")
    parser.add_argument("--scaling", default="0..1")
    parser.add_argument("--engine", help="default: the bundle's, else litert")
    parser.add_argument("--camera", required=True, help="a clip or a folder of pictures")
    parser.add_argument("--threads", type=int, nargs="+", default=[1])
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.5, help="of one slice")
    parser.add_argument("--viewers", type=int, nargs="+", default=[1], help="so many watch; 8 at most")
    return parser.parse_args()


def load(options: argparse.Namespace, threads: int, folder: Path) -> VisionModel:
    """The model, from a bundle or a bare file."""
    if options.bundle:
        bundle = open_bundle(options.bundle, folder)
        spec, output, path = bundle.manifest.input, bundle.manifest.output_spec, bundle.model
        engine = options.engine or bundle.manifest.needs.engine
    else:
        spec = InputSpec.model_validate(
            {"resize": options.resize, "colour": options.colour, "scaling": options.scaling}
        )
        output, path = OutputSpec(decoder=options.decoder), options.model
        engine = options.engine or "litert"
    return VisionModel(load_engine(path, engine, threads), spec, output)


def measure(model: VisionModel, options: argparse.Namespace) -> dict[int, tuple[list[Round], LoopStatus]]:
    """Take turns, also over the numbers of viewers; the last live slice's status tells what the stages took."""
    frames = frames_from(Path(options.camera), 16)
    tensors = [model.prepare(frame).tensor for frame in frames]
    about = About("bench", "0" * 64, str(model.engine.report), options.camera, ())
    idle = LiveLoop(open_camera(options.camera), model).status()
    found: dict[int, tuple[list[Round], LoopStatus]] = {}
    bare_fps(model.engine, tensors, 1.0)
    for _ in range(options.rounds):
        for count in options.viewers:
            with LivePage(about, lambda: idle, port=0) as page:
                viewers = [start_viewer(page.url) for _ in range(count)]
                before = others_s(viewers)
                bare = bare_fps(model.engine, tensors, options.seconds)
                live, status = live_fps(model, options.camera, page.publish, options.seconds)
                seconds, taken_s = (now - then for now, then in zip(others_s(viewers), before, strict=True))
                for viewer in viewers:
                    got = json.loads(viewer.communicate("")[0])
                    assert got["bytes"] and got["messages"], "a viewer saw nothing"
            rounds, _ = found.get(count, ([], status))
            found[count] = ([*rounds, Round(bare, live, taken_s / seconds)], status)
    return found


def others_s(viewers: "list[subprocess.Popen[str]]") -> tuple[float, float]:
    """The time, and the processor time that all programs but this one and its viewers have taken; in seconds."""
    tick = os.sysconf("SC_CLK_TCK")
    user, nice, system, _, _, irq, softirq, steal = (
        int(field) for field in Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    )
    own = sum(os.times()[:2])
    for viewer in viewers:
        fields = Path(f"/proc/{viewer.pid}/stat").read_text().rpartition(")")[2].split()
        own += (int(fields[11]) + int(fields[12])) / tick
    return time.monotonic(), (user + nice + system + irq + softirq + steal) / tick - own


def start_viewer(url: str) -> "subprocess.Popen[str]":
    """A viewer in a process of its own, so that it takes no time from this interpreter."""
    viewer = subprocess.Popen(
        [sys.executable, "-c", VIEWER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    time.sleep(1)
    return viewer


def bare_fps(engine: Engine, tensors: list, seconds: float) -> float:
    """The engine alone."""
    name = engine.inputs[0].name
    start = time.perf_counter()
    for count, tensor in enumerate(itertools.cycle(tensors)):
        elapsed = time.perf_counter() - start
        if elapsed >= seconds:
            return count / elapsed
        engine.run({name: tensor})
    raise AssertionError("no tensors")


def live_fps(model: VisionModel, camera: str, publish: Publisher, seconds: float) -> tuple[float, LoopStatus]:
    """The whole loop, from its first inferred frame to its last."""
    loop = LiveLoop(open_camera(camera, real_time=False), model)
    threading.Timer(seconds, loop.stop).start()
    loop.run(publish)
    return loop.inferred.overall(), loop.status()


def report(rounds: list[Round], status: LoopStatus) -> None:
    """The table."""
    quiet = [one.ratio for one in rounds if one.others < QUIET_CORES]
    for name, values in (
        ("engine alone, fps", [one.bare_fps for one in rounds]),
        ("live loop, fps", [one.live_fps for one in rounds]),
        ("live / alone", [one.ratio for one in rounds]),
        ("  in quiet rounds", quiet),
        ("others, cores", [one.others for one in rounds]),
    ):
        if len(values) > 1:
            low, middle, high = statistics.quantiles(values, n=4)
            print(f"{name:18} median {middle:7.3f}   quartiles {low:7.3f} {high:7.3f}   n = {len(values)}")
    stages = [f"{name} {time.median_ms:.2f}/{time.p90_ms:.2f}" for name, time in status.stages.items()]
    print(f"stages, ms (median/p90): {', '.join(stages)}; errors {status.errors}, dropped {status.dropped}")


if __name__ == "__main__":
    main()
