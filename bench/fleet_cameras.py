"""Many cameras in one process, for bench/fleet.py: each has a disk, a pinned root and a connection to the broker.

What asks the repository, checks what it says, keeps the bundle, goes back and tells the broker is a camera's own code.
Simulated is what needs a model to run: whether its golden frames hold, and whether it stays healthy on trial.

    python bench/fleet_cameras.py SETUP.json      (started by bench/fleet.py)
"""

import hashlib
import json
import random
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from relens.device.agent import Store
from relens.device.agent.bulletin import Bulletin
from relens.device.agent.trust import enrol, fetch
from relens.device.outlets.mqtt import Mqtt
from relens.errors import DeliveryTrouble, DeviceTrouble
from relens.spec import MqttSettings

AT_ONCE = 4
REPORTS_S = 5.0
NOBODY = DeviceTrouble("RL-OUTLET-001", "not connected yet", hint="")


class Camera:
    """One.

    Args:
        folder: of its disk.
        name: what it is called.
        setup: what bench/fleet.py says about all of them.
    """

    def __init__(self, folder: Path, name: str, setup: dict) -> None:
        self.name, self.setup, self.store = name, setup, Store(folder / name)
        settings = MqttSettings(host="127.0.0.1", port=setup["broker"], tls=False)
        self.outlet = Mqtt(settings, name, Bulletin(self.store, name))
        self.there, self.away = False, False
        self.next_ask_s = time.monotonic() + random.uniform(0, setup["ask_every_s"])
        self.next_report_s = self.trial_ends_s = 0.0
        if not self.store.follows.exists():
            enrol(self.store, Path(setup["root"]), setup["repository"], setup["channel"])

    def tick(self) -> None:
        """Do what is due."""
        now_s = time.monotonic()
        if now_s >= self.next_ask_s:
            self.next_ask_s = now_s + self.setup["ask_every_s"] * random.uniform(0.8, 1.2)
            self._ask()
        for file in self.store.inbox.waiting():
            self._take(file)
            self.trial_ends_s = now_s + self.setup["confirm_s"]
            self.next_report_s = 0.0
        standing = self.store.standing()
        if standing.active and standing.on_trial and now_s >= self.trial_ends_s:
            if self._is_bad(standing.active, "trial"):
                self.store.fail(standing.active, "12 outputs with NaN or infinity")
            else:
                self.store.confirm(standing.active)
            self.next_report_s = 0.0
        if now_s >= self.next_report_s:
            self.next_report_s = now_s + REPORTS_S
            self._report()

    def _ask(self) -> None:
        """As the agent does, which does it in a process of its own."""
        try:
            fetch(self.store, self.name)
            self.away = False
        except DeliveryTrouble:
            self.away = True

    def _take(self, file: Path) -> None:
        """As the agent does, but for the golden frames."""
        bundle = self.store.take(file)
        taken = bundle.sha256[:12]
        file.unlink()
        if self._is_bad(taken, "acceptance"):
            self.store.refuse(taken, "output `scores`: expected 0.001, found 0.53")
            return
        self.store.accept(taken, json.dumps({"name": bundle.manifest.name, "engine": "simulated"}).encode())
        self.store.activate(taken)
        self.store.beat(taken, {"at_s": time.time(), "frames_per_s": 30.0})

    def _is_bad(self, bundle: str, where: str) -> bool:
        """By lot, the same every time: half of the failing cameras at acceptance, half on trial."""
        digest = hashlib.sha256(f"bad {bundle} {self.name}".encode()).digest()
        fails = int.from_bytes(digest[:4], "big") / 2**32 < self.setup["failing"].get(bundle, 0.0)
        return fails and (digest[4] % 2 == 0) == (where == "acceptance")

    def _report(self) -> None:
        try:
            if not self.there:
                self.outlet.open()
                self.there = True
            for _ in self.outlet.send(()):
                pass
        except (DeviceTrouble, OSError):
            self.outlet.close()
            self.there = False


def rounds(cameras: Sequence[Camera]) -> Iterator[None]:
    """Several at a time: a question waits for the network."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        while True:
            list(pool.map(Camera.tick, cameras))
            yield


def main() -> None:
    """Until the standard input ends; a line of what they do, now and then."""
    setup = json.loads(Path(sys.argv[1]).read_text())
    setup["failing"] = {}
    cameras = [
        Camera(Path(setup["folder"]), name, setup) for name in setup["cameras"][int(sys.argv[2]) :: int(sys.argv[3])]
    ]
    next_s = 0.0
    for _ in rounds(cameras):
        with suppress(OSError, ValueError):
            setup["failing"].update(json.loads(Path(setup["failing_file"]).read_text()))
        if time.monotonic() >= next_s:
            next_s = time.monotonic() + 2
            away = sum(camera.away for camera in cameras)
            sys.stdout.write(json.dumps({"there": sum(one.there for one in cameras), "away": away}) + "\n")
            sys.stdout.flush()
        time.sleep(0.05)


if __name__ == "__main__":
    main()
