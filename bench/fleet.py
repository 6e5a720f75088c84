"""A rollout to many cameras that follow one static repository, on loopback: who gets there, and what it costs.

Real are the repository on a web server that counts, the broker (mosquitto), `relens deploy`, and what a camera does
with what it is offered (bench/fleet_cameras.py says what is simulated). Half of the cameras begin with an older bundle.

    1. a bundle that 5 % of the cameras refuse or roll back, with an outage of the web server in the middle: every
       healthy camera has to confirm it, the failing ones have to be named, and the command has to exit with 1
    2. a bundle that 40 % of the cameras refuse or roll back: the rollout has to stop by its bound, and take it back

    python bench/fleet.py one.relens two.relens three.relens four.relens --cameras 2000
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from relens.bundle import Bundle, open_bundle
from relens.deliver import KeyRing, create_repository, make_keys, publish
from relens.deliver.reports import Reports
from relens.spec.fleet import ReportsSettings

PASSPHRASE = "a passphrase for a bench"
FLEET = """
[repository]
folder = "{repository}"
keys = "{keys}"
[reports]
host = "127.0.0.1"
port = {broker}
tls = false
[rollout]
steps = [0.05, 0.25, 1.0]
most_failed = {most_failed}
silent_s = {silent_s}
then = "roll back"
"""


@dataclass
class Traffic:
    """What the web server has answered."""

    requests: Counter[str] = field(default_factory=Counter)
    bytes_sent: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, kind: str, sent: int = 0) -> None:
        """One more."""
        with self.lock:
            self.requests[kind] += 1
            self.bytes_sent += sent


TRAFFIC = Traffic()


class CountingHandler(SimpleHTTPRequestHandler):
    """Serves a folder, and counts."""

    protocol_version = "HTTP/1.1"

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """The body."""
        sent = 0
        while chunk := source.read(1 << 16):
            outputfile.write(chunk)
            sent += len(chunk)
        TRAFFIC.count("bundles" if self.path.endswith(".relens") else "metadata", sent)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""

    def send_error(self, code: int, *rest: Any, **more: Any) -> None:
        """Also that a next version is not there yet."""
        TRAFFIC.count(str(code))
        super().send_error(code, *rest, **more)


class Server(ThreadingHTTPServer):
    """Takes many at once."""

    request_queue_size = 512
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A camera that hangs up is none."""


@dataclass
class Bench:
    """Everything that runs."""

    folder: Path
    cameras: int
    ask_every_s: float
    bundles: list[Bundle] = field(default_factory=list)
    broker: int = 0
    server: Server | None = None
    port: int = 0

    @property
    def repository(self) -> Path:
        """Its folder."""
        return self.folder / "repository"

    @property
    def keys(self) -> KeyRing:
        """Of the repository."""
        return KeyRing(self.folder / "keys", PASSPHRASE)

    def serve(self) -> None:
        """On the same port as before."""
        self.server = Server(("127.0.0.1", self.port), partial(CountingHandler, directory=self.repository))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def fall_silent(self) -> None:
        """Nobody listens any more."""
        assert self.server is not None
        self.server.shutdown()
        self.server.server_close()


def main() -> None:
    """Parse, roll out, print; exit code 1 when anything is not as it has to be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs=4, help="four different .relens files")
    parser.add_argument("--cameras", type=int, default=2000)
    parser.add_argument("--ask-every", type=float, default=20.0, help="seconds between two questions of a camera")
    parser.add_argument("--outage", type=float, default=20.0, help="seconds without the web server")
    parser.add_argument("--processes", type=int, help="of cameras; default: one for each 250, as select(2) has it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="relens-fleet-") as folder:
        bench = Bench(Path(folder), options.cameras, options.ask_every)
        with running(bench, options.bundles, options.processes or -(-options.cameras // 250)) as reports:
            wrong = [*first(bench, reports, options.outage), *second(bench, reports)]
    print("\n".join(["", *(f"WRONG: {one}" for one in wrong)]) if wrong else "\neverything as it has to be")
    sys.exit(1 if wrong else 0)


@contextmanager
def running(bench: Bench, paths: Sequence[Path], processes: int) -> Iterator[Reports]:
    """Repository, server, broker, cameras; half of the cameras with the first bundle, half with the second."""
    folder = bench.folder
    bench.bundles = [open_bundle(path, Path(tempfile.mkdtemp(dir=folder))) for path in paths]
    make_keys(folder / "keys", PASSPHRASE)
    root = create_repository(bench.repository, bench.keys)
    (folder / "passphrase").write_text(PASSPHRASE)
    publish(bench.repository, bench.bundles[0], "stable", bench.keys)
    bench.serve()
    with ExitStack() as stack:
        bench.broker = stack.enter_context(mosquitto(folder))
        setup = {
            "folder": str(folder / "cameras"),
            "cameras": [f"camera-{number:04}" for number in range(bench.cameras)],
            "root": str(root),
            "repository": f"http://127.0.0.1:{bench.port}",
            "channel": "stable",
            "broker": bench.broker,
            "ask_every_s": bench.ask_every_s,
            "confirm_s": 2.0,
            "failing_file": str(folder / "failing.json"),
        }
        (folder / "setup.json").write_text(json.dumps(setup))
        for number in range(processes):
            stack.enter_context(cameras(folder / "setup.json", number, processes))
        reports = Reports(ReportsSettings(host="127.0.0.1", port=bench.broker, tls=False))
        stack.callback(reports.close)
        half_and_half(bench, reports)
        yield reports


def half_and_half(bench: Bench, reports: Reports) -> None:
    """The first bundle everywhere, then the second on half of them: where a fleet stands when work begins."""
    one, two = (bundle.sha256[:12] for bundle in bench.bundles[:2])
    began_s = time.monotonic()
    wait(reports, lambda runs: runs[one] == bench.cameras, "the first bundle everywhere")
    publish(bench.repository, bench.bundles[1], "stable", bench.keys, share=0.5)
    wait(reports, lambda runs: runs[two] > 0.4 * bench.cameras, "the second one on half of the cameras")
    time.sleep(2 * bench.ask_every_s)
    runs = confirmed(reports)
    took_s = time.monotonic() - began_s
    print(f"{bench.cameras} cameras after {took_s:.0f} s: {runs[one]} with {one}, {runs[two]} with {two}")


def first(bench: Bench, reports: Reports, outage_s: float) -> list[str]:
    """A bundle that one camera in twenty does not take, and an outage."""
    bundle = bench.bundles[2]
    name = bundle.sha256[:12]
    (bench.folder / "failing.json").write_text(json.dumps({name: 0.05}))
    time.sleep(2)
    before, sent = Counter(TRAFFIC.requests), TRAFFIC.bytes_sent
    with deploying(bench, bundle, most_failed=0.15) as run:
        wait(reports, lambda runs: runs[name] > 0.15 * bench.cameras, "a quarter of the cameras", run)
        bench.fall_silent()
        time.sleep(outage_s)
        bench.serve()
    requests, sent = TRAFFIC.requests - before, TRAFFIC.bytes_sent - sent
    statuses = reports.statuses().values()
    good = sum(one.bundle == name and one.stage == "confirmed" for one in statuses)
    bad = sum(name in one.bad for one in statuses)
    print(f"\n{bundle.manifest.name} with {outage_s:.0f} s of outage: {run.summary()}")
    print(f"  {good} cameras confirmed it, {bad} did not and run what they ran before")
    told = ", ".join(f"{kind} {count / bench.cameras:.1f}" for kind, count in sorted(requests.items()))
    a_camera = f"{sum(requests.values()) / bench.cameras:.1f} requests ({told}), {sent / bench.cameras / 1e3:.1f} kB"
    print(f"  the web server, for each camera: {a_camera}")
    rest = bench.cameras - good - bad
    wrong = [f"{rest} cameras neither confirmed nor refused"] if rest else []
    wrong += run.is_told("RL-DELIVER-010")
    named = sum(f"{one.camera}: failed" in run.said for one in statuses if name in one.bad)
    return wrong + ([] if named == bad else [f"{named} of {bad} failing cameras are named"])


def second(bench: Bench, reports: Reports) -> list[str]:
    """A bundle that two cameras in five do not take."""
    bundle = bench.bundles[3]
    name, good = bundle.sha256[:12], bench.bundles[2].sha256[:12]
    before = confirmed(reports)
    (bench.folder / "failing.json").write_text(json.dumps({name: 0.4}))
    time.sleep(2)
    with deploying(bench, bundle, most_failed=0.15) as run:
        pass
    met = sum(name in one.bad or one.bundle == name for one in reports.statuses().values())
    wait(reports, lambda runs: runs[name] == 0 and runs[good] >= before[good], "everybody back")
    print(f"\n{bundle.manifest.name}: {run.summary()}")
    print(f"  {met} of {bench.cameras} cameras met it; {confirmed(reports)[good]} run {good} again")
    wrong = [] if met <= 0.06 * bench.cameras + 1 else [f"{met} cameras met a bad bundle"]
    return wrong + run.is_told("RL-DELIVER-011")


@dataclass
class Run:
    """One `relens deploy`. said_at: what it says. memory_mb: resident, after each second."""

    process: "subprocess.Popen[str]"
    said_at: Path
    began_s: float
    memory_mb: list[float] = field(default_factory=list)
    said: str = ""
    seconds: float = 0.0
    code: int | None = None

    def watch(self) -> None:
        """Until it ends."""
        while self.process.poll() is None:
            for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
                if line.startswith("VmRSS"):
                    self.memory_mb.append(int(line.split()[1]) / 1e3)
            time.sleep(1)

    def is_told(self, code: str) -> list[str]:
        """What is wrong where it did not end with this error."""
        return [] if self.code == 1 and code in self.said else [f"exit code {self.code}: {self.said[-500:]}"]

    def summary(self) -> str:
        """In a line."""
        settled = self.memory_mb[len(self.memory_mb) // 4 :] or [0.0]
        return (
            f"relens deploy ended with {self.code} after {self.seconds:.0f} s; its memory {settled[0]:.0f} MB after a "
            f"quarter of that, {settled[-1]:.0f} MB at the end"
        )


@contextmanager
def deploying(bench: Bench, bundle: Bundle, most_failed: float) -> Iterator[Run]:
    """The command, in a process of its own, until it ends."""
    fleet = bench.folder / "fleet.toml"
    values = {"repository": bench.repository, "keys": bench.folder / "keys", "broker": bench.broker}
    fleet.write_text(FLEET.format(**values, most_failed=most_failed, silent_s=15 * bench.ask_every_s))
    command = [sys.executable, "-m", "relens", "deploy", bundle.path, fleet]
    command += ["--passphrase-file", bench.folder / "passphrase"]
    environment = {**os.environ, "XDG_STATE_HOME": str(bench.folder / "state")}
    with (bench.folder / "said").open("w+") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env=environment, text=True)
        run = Run(process, bench.folder / "said", time.monotonic())
        watcher = threading.Thread(target=run.watch)
        watcher.start()
        try:
            yield run
            run.code = run.process.wait(3600)
        finally:
            run.process.kill()
            watcher.join()
        run.seconds = time.monotonic() - run.began_s
        said.seek(0)
        run.said = said.read()


def confirmed(reports: Reports) -> Counter[str]:
    """How many cameras have confirmed which bundle."""
    return Counter(one.bundle or "" for one in reports.statuses().values() if one.stage == "confirmed")


def wait(reports: Reports, holds: Any, what: str, run: Run | None = None, most_s: float = 1800) -> None:
    """Until something holds of `confirmed`."""
    end_s = time.monotonic() + most_s
    while not holds(confirmed(reports)):
        if time.monotonic() > end_s or (run and run.process.poll() is not None):
            said = run.said_at.read_text() if run else ""
            raise SystemExit(f"it did not come to {what}: {dict(confirmed(reports))}\n{said[-2000:]}")
        time.sleep(0.5)


@contextmanager
def cameras(setup: Path, number: int, processes: int) -> Iterator[None]:
    """A process with every n-th of them."""
    command = [sys.executable, Path(__file__).with_name("fleet_cameras.py"), setup, str(number), str(processes)]
    with setup.with_name(f"cameras{number}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
        assert process.poll() is None, setup.with_name(f"cameras{number}.log").read_text()[-2000:]
    finally:
        process.kill()
        process.wait()


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Without TLS, on loopback; its port."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        raise SystemExit("needs mosquitto (package mosquitto)")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    process = subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    main()
