"""How long after `exec` the first answer of a camera is there, imports, agent and worker included.

An installed bundle is started again and again by `relens device run`; a rule that everything fits makes an event of the
first frame's answer, and the time is taken when that event stands in a file. So it is an upper bound: it includes the
event's picture, its way into the log on disk, and out of it.

    python bench/start.py examples/face/face.relens --camera examples/face/carphone.mp4
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from relens.device.agent import Store, install
from relens.measure.host import host_fingerprint

SETTINGS = """
[camera]
source = "{camera}"
[page]
port = 0
[[events]]
name = "anything"
min_score = 0
dwell_s = 0
[lines]
path = "told.jsonl"
"""


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--camera", type=Path, required=True, help="one whose first frame shows something")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relens-start-") as folder:
        place = Path(folder)
        (place / "camera.toml").write_text(SETTINGS.format(camera=options.camera.absolute()))
        install(Store(place / "state"), options.bundle)
        started(place)  # warm up the disk cache
        times = sorted(started(place) for _ in range(options.repeats))
    print(host_fingerprint())
    print(
        f"{options.bundle.name}: {statistics.median(times):.2f} s [{times[0]:.2f}, {times[-1]:.2f}], n = {len(times)}"
    )


def started(place: Path) -> float:
    """Seconds from exec to the first event."""
    told = place / "told.jsonl"
    told.unlink(missing_ok=True)
    began_s = time.perf_counter()
    command = [sys.executable, "-m", "relens", "device", "run"]
    arguments = ["--settings", str(place / "camera.toml"), "--state", str(place / "state"), "--confirm-after", "0"]
    with subprocess.Popen([*command, *arguments], stderr=subprocess.DEVNULL) as agent:
        while not told.exists() or told.stat().st_size == 0:
            if agent.poll() is not None or time.perf_counter() - began_s > 60:
                raise SystemExit("it gave no answer; try relens device run by hand")
            time.sleep(0.002)
        took_s = time.perf_counter() - began_s
        agent.terminate()
    return took_s


if __name__ == "__main__":
    main()
