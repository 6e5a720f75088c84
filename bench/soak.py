"""A camera at full rate for half an hour, with something going wrong every minute: is it alive at the end?

A real agent on a clip, as fast as frames are taken, with its live page and a webhook that every event is
posted to. The faults take turns; after each the camera has to be healthy again (`/healthz`, new frames) within a
minute. At the end the webhook has to have every event once at least and in order.

    python bench/soak.py flowers.relens --camera bottle-detection.mp4 --minutes 30
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from relens.bundle import open_bundle, write_bundle
from relens.device.agent import Store, install
from relens.errors import RelensError
from relens.graph import Graph
from relens.measure.host import host_fingerprint

SETTINGS = """
[camera]
source = "{camera}"
[page]
port = {port}
[agent]
confirm_after_s = 5
[[events]]
name = "anything"
min_score = 0.4
dwell_s = 0
clear_s = 0.1
[webhook]
url = "http://127.0.0.1:{hook}/"
"""
RECOVER_S = 60.0


@dataclass
class Hook:
    """Takes events; away while `away` is set."""

    numbers: list[int] = field(default_factory=list)
    away: bool = False

    def serve(self) -> ThreadingHTTPServer:
        """From now on, on a free port."""
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not hook.away:
                    hook.numbers.append(told["number"])
                self.send_response(503 if hook.away else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quietly."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


class Camera:
    """The agent under test, and what can be done to it."""

    def __init__(self, place: Path, bundles: list[Path], hook: Hook) -> None:
        self.place, self.bundles, self.hook = place, bundles, hook
        self.port = json.loads((place / "port.json").read_text())
        self.store = Store(place / "state")
        self.agent = self._started()

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "relens", "device", "run", "--fast"]
        arguments = ["--settings", str(self.place / "camera.toml"), "--state", str(self.place / "state")]
        with (self.place / "agent.log").open("ab") as log:
            return subprocess.Popen([*command, *arguments], stderr=log)

    def worker(self) -> int:
        """The process that runs the bundle; waits for one that is starting."""
        end_s = time.monotonic() + RECOVER_S
        while (found := self._worker()) is None:
            if time.monotonic() > end_s:
                raise SystemExit(f"no bundle runs: {(self.place / 'agent.log').read_text()[-2000:]}")
            time.sleep(0.1)
        return found

    def _worker(self) -> int | None:
        for children in Path(f"/proc/{self.agent.pid}/task").glob("*/children"):
            for child in children.read_text().split():
                with suppress(OSError):
                    if b"agent.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                        return int(child)
        return None

    def health(self) -> dict:
        """What `/healthz` says; nothing healthy where nobody answers."""
        address = f"http://127.0.0.1:{self.port}/healthz"
        with suppress(OSError, ValueError), urllib.request.urlopen(address, timeout=2) as answer:
            return json.loads(answer.read())
        return {"healthy": False, "inferred": 0, "fps": 0.0}

    def resident_mb(self, process: int) -> float:
        """Of one process."""
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000

    def kill_worker(self) -> str:
        """As when a bundle crashes."""
        os.kill(self.worker(), signal.SIGKILL)
        return "the bundle's process killed"

    def stop_worker(self) -> str:
        """As when it hangs; the agent has to notice."""
        os.kill(self.worker(), signal.SIGSTOP)
        time.sleep(25)
        return "the bundle's process stopped for good"

    def kill_agent(self) -> str:
        """As when the power goes."""
        self.agent.kill()
        self.agent.wait()
        self.agent = self._started()
        return "the agent killed and started again"

    def damaged(self) -> str:
        """A bundle that was cut short on its way."""
        cut = self.place / "cut.relens"
        cut.write_bytes(self.bundles[0].read_bytes()[:-500])
        try:
            install(self.store, cut)
        except RelensError as refused:
            return f"a damaged bundle, refused ({refused.code})"
        raise SystemExit("a damaged bundle was installed")

    def other_bundle(self) -> str:
        """The other one, while this one runs."""
        self.bundles.reverse()
        return f"another bundle installed: {install(self.store, self.bundles[0], again=True)}"

    def hook_away(self) -> str:
        """The receiver of events is away for a while."""
        self.hook.away = True
        time.sleep(20)
        self.hook.away = False
        return "the webhook away for 20 s"


def main() -> None:
    """Parse, soak, print; exit code 1 when it did not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path, help="one that this machine accepts")
    parser.add_argument("--camera", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--port", type=int, default=8199)
    options = parser.parse_args()
    hook = Hook()
    server = hook.serve()
    with tempfile.TemporaryDirectory(prefix="relens-soak-") as folder:
        place = Path(folder)
        settings = SETTINGS.format(camera=options.camera.absolute(), port=options.port, hook=server.server_port)
        (place / "camera.toml").write_text(settings)
        (place / "port.json").write_text(json.dumps(options.port))
        install(Store(place / "state"), options.bundle)
        camera = Camera(place, [options.bundle, renamed(options.bundle, place)], hook)
        try:
            held = soak(camera, options.minutes)
        finally:
            camera.agent.terminate()
            camera.agent.wait(30)
        held &= delivered(hook)
    server.shutdown()
    sys.exit(0 if held else 1)


def renamed(path: Path, place: Path) -> Path:
    """The same bundle under another name, and so another bundle."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = open_bundle(path, Path(folder))
        manifest = bundle.manifest.model_copy(update={"name": f"{bundle.manifest.name}-again"})
        other = place / "again.relens"
        write_bundle(other, manifest, Graph.read(bundle.model), bundle.labels, bundle.golden)
    return other


def soak(camera: Camera, minutes: float) -> bool:
    """A fault a minute; whether the camera was healthy again each time."""
    print(host_fingerprint(), flush=True)
    faults: list[Callable[[], str]] = [
        camera.kill_worker,
        camera.other_bundle,
        camera.hook_away,
        camera.damaged,
        camera.kill_agent,
        camera.stop_worker,
    ]
    began_s, held, done = time.monotonic(), recovered(camera) is not None, 0
    memory: list[float] = []
    while time.monotonic() - began_s < 60 * minutes:
        next_s = time.monotonic() + 60
        what = faults[done % len(faults)]()
        took_s = recovered(camera)
        held &= took_s is not None
        done += 1
        worker = camera.worker()
        memory.append(camera.resident_mb(camera.agent.pid))
        print(
            f"{(time.monotonic() - began_s) / 60:5.1f} min  {what}: "
            + ("NOT HEALTHY AGAIN" if took_s is None else f"healthy after {took_s:.1f} s")
            + f"; agent {memory[-1]:.0f} MB, bundle {camera.resident_mb(worker):.0f} MB, "
            + f"{camera.health()['fps']:.0f} fps, {len(camera.hook.numbers)} events told",
            flush=True,
        )
        time.sleep(max(0.0, next_s - time.monotonic()))
    print(f"{done} faults; the agent's memory: median {statistics.median(memory):.0f} MB, highest {max(memory):.0f} MB")
    return held


def recovered(camera: Camera) -> float | None:
    """Seconds until new frames are inferred; None when that takes too long."""
    began_s = time.monotonic()
    while time.monotonic() - began_s < RECOVER_S:
        before = camera.health()
        time.sleep(0.3)
        now = camera.health()
        if before["healthy"] and now["healthy"] and now["inferred"] > before["inferred"]:
            return time.monotonic() - began_s
    return None


def delivered(hook: Hook) -> bool:
    """Every event once at least, and in order."""
    first = list(dict.fromkeys(hook.numbers))
    whole = first == list(range(1, len(first) + 1))
    print(
        f"{len(first)} events, {len(hook.numbers) - len(first)} told twice, {'in order' if whole else 'NOT IN ORDER'}"
    )
    return whole


if __name__ == "__main__":
    main()
