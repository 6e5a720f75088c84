"""How much memory a running camera takes, and whether it grows: resident megabytes over a hundred thousand frames.

`relens run` with its live page, as fast as frames are taken, in a process of its own, with a viewer on its pictures;
its resident memory is read twice a second. The slope is a line through the samples after the first tenth (least
squares), in MB a hundred thousand frames.

    python bench/memory.py flowers.relens --camera bottle-detection.mp4
"""

import argparse
import http.client
import json
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

from relens.measure.host import host_fingerprint

EVERY_S = 0.5


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--camera", type=Path, required=True, help="a clip or a folder of pictures")
    parser.add_argument("--frames", type=int, default=100_000)
    options = parser.parse_args()
    samples, said = watched(options.bundle, options.camera, options.frames)
    resident = [megabytes for _, megabytes in samples]
    steady = samples[len(samples) // 10 :]
    per_s = statistics.linear_regression(*zip(*steady, strict=True)).slope
    per_frames = per_s / said["fps"] * 100_000
    print(host_fingerprint())
    print(f"{said['frames']} frames at {said['fps']:.0f} a second, {said['errors']} errors, on {said['engine']}")
    print(f"resident: median {statistics.median(resident):.1f} MB, highest {max(resident):.1f} MB")
    print(f"slope: {per_frames:+.2f} MB a 100,000 frames, {len(steady)} samples")


def watched(bundle: Path, camera: Path, frames: int) -> tuple[list[tuple[float, float]], dict]:
    """(seconds, MB) samples, and what the run says at its end."""
    command = [sys.executable, "-m", "relens", "run", str(bundle), "--camera", str(camera), "--fast", "--json"]
    pipe = subprocess.PIPE
    samples: list[tuple[float, float]] = []
    with subprocess.Popen(
        [*command, "--frames", str(frames), "--port", "0"], stdout=pipe, stderr=pipe, text=True
    ) as running:
        url = next(line for line in running.stderr if "http://" in line).split()[-1]
        threading.Thread(target=running.stderr.read, daemon=True).start()
        began_s = time.monotonic()
        while running.poll() is None:
            status = Path(f"/proc/{running.pid}/status").read_text()
            if "VmRSS" in status:
                kilobytes = int(status.partition("VmRSS:")[2].split()[0])
                samples.append((time.monotonic() - began_s, kilobytes / 1000))
            if len(samples) == 1:
                threading.Thread(target=view, args=(url,), daemon=True).start()
            time.sleep(EVERY_S)
        return samples, json.loads(running.stdout.read())


def view(url: str) -> None:
    """Read the picture stream until it ends."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"/stream.mjpg?{parts.query}")
    answer = connection.getresponse()
    while answer.read1(1 << 20):
        pass


if __name__ == "__main__":
    main()
