"""Cut the power under a camera's disk at random moments, again and again: how many states are torn, how much is lost.

A process on an ext4 file system of its own takes bundles in, activates, confirms and fails them and logs events,
without a pause. The cut: that process is stopped, and the file that holds the file system is copied; what the kernel
has not written yet is missing from the copy. The copy is mounted, as after a start, and has to hold a standing whose
bundles open and are the ones it names, nothing half written, the user's file as it was, and every event that was
acknowledged. (This is the loss of unwritten pages, not of a disk that lies about what it has written.) Needs root, for
mounting.

    python bench/power_cuts.py good.relens one.relens two.relens --cuts 100
"""

import argparse
import filecmp
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

from kills import CONFIGURATION, once, torn

from relens.device.agent import Store, install
from relens.device.events.log import EventLog
from relens.spec import KeepSettings

LONGEST_S = 0.4
LEAST_BYTES = 64_000_000
KEEP = KeepSettings(max_mb=5)


def main() -> None:
    """Parse, cut, print; exit code 1 when anything was torn or lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs=3, help="three different .relens files")
    parser.add_argument("--cuts", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="relens-cuts-") as folder:
        wrong, standings, events = cuts(Path(folder), options.bundles, options.cuts, options.seed)
    print(
        f"{options.cuts} power cuts in {time.monotonic() - began_s:.0f} s, {events} events acknowledged, "
        f"{len(standings)} different standings found"
    )
    print(f"torn states: {wrong['torn']}, lost configurations: {wrong['lost']}, lost events: {wrong['events']}")
    sys.exit(1 if wrong.total() else 0)


def cuts(folder: Path, bundles: Sequence[Path], count: int, seed: int) -> tuple[Counter[str], set[str], int]:
    """What was found wrong, the standings that cuts left behind, and how many events there were at last."""
    image = folder / "disk.img"
    size = LEAST_BYTES + 16 * sum(bundle.stat().st_size for bundle in bundles)
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["mkfs.ext4", "-q", "-F", image], check=True)
    wrong: Counter[str] = Counter()
    standings: set[str] = set()
    chance = random.Random(seed)
    with mounted(image, folder / "disk") as disk:
        state = prepared(disk / "state", bundles)
        with busy(state, bundles[1:]) as writer:
            for number in range(count):
                time.sleep(chance.uniform(0, LONGEST_S))
                events = writer.snapshot(image, folder / "cut.img")
                with mounted(folder / "cut.img", folder / "cut") as cut:
                    standings.add(str(Store(cut / "state").standing()))
                    for kind, why in found_wrong(cut / "state", events):
                        wrong[kind] += 1
                        print(f"cut {number}: {why}")
    return wrong, standings, events


def prepared(state: Path, bundles: Sequence[Path]) -> Path:
    """A camera with a confirmed bundle, two more that are accepted here, and a file of the user's."""
    store = Store(state)
    (state / "camera.toml").write_text(CONFIGURATION)
    store.confirm(install(store, bundles[0]))
    for bundle in bundles[1:]:
        install(store, bundle)
    os.sync()
    return state


def found_wrong(state: Path, events: int) -> Iterator[tuple[str, str]]:
    """What is not as it has to be after a cut."""
    if why := torn(state):
        yield "torn", why
    if (state / "camera.toml").read_text() != CONFIGURATION:
        yield "lost", "the user's file has changed"
    log = EventLog(state / "events", KEEP)
    newest = log.newest(1)[0].number if events else 0
    if newest < events:
        yield "events", f"event {events} was acknowledged, and {newest} is the last one"
    log.close()


@dataclass(frozen=True)
class Writer:
    """A process that changes the disk. said: it writes the number of each event into this pipe."""

    process: int
    said: int
    numbers: list[int]

    def snapshot(self, image: Path, copy: Path) -> int:
        """Copy the disk as it is at one moment; the last event acknowledged before."""
        os.kill(self.process, signal.SIGSTOP)
        try:
            os.waitpid(self.process, os.WUNTRACED)
            with suppress(BlockingIOError):
                while said := os.read(self.said, 1 << 16):
                    self.numbers.append(int(said.splitlines()[-1]))
            # The kernel may still be writing: a copy is of one moment when the next one is the same.
            shutil.copyfile(image, copy)
            while not filecmp.cmp(image, copy, shallow=False):
                shutil.copyfile(image, copy)
        finally:
            os.kill(self.process, signal.SIGCONT)
        return self.numbers[-1] if self.numbers else 0


@contextmanager
def busy(state: Path, files: Sequence[Path]) -> Iterator[Writer]:
    """The process, until the end."""
    ids = [install(Store(state), file, again=True) for file in files]
    heard, said = os.pipe()
    os.set_blocking(heard, False)
    child = os.fork()
    if child == 0:
        try:
            Thread(target=log_events, args=(state, said), daemon=True).start()
            while True:
                for file, bundle in zip(files, ids, strict=True):
                    once(Store(state), file, bundle)
        finally:
            os._exit(1)
    try:
        yield Writer(child, heard, [])
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(heard)
        os.close(said)


def log_events(state: Path, said: int) -> None:
    """One after the other, and so at any moment of the other changes."""
    log = EventLog(state / "events", KEEP)
    while True:
        os.write(said, f"{log.append({'event': 'cut'}, bytes(20_000))}\n".encode())


@contextmanager
def mounted(image: Path, place: Path) -> Iterator[Path]:
    """A file system in a file."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-o", "loop", image, place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", place], check=True)


if __name__ == "__main__":
    main()
