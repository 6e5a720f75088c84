"""Kill a camera's install and rollback at random moments, again and again: how many states are torn.

Three bundles that this machine accepts; the first one is confirmed, the others come and go. A process takes them in,
activates, confirms and fails them without a pause, and is killed after 0 to 30 ms. After each kill the disk has to hold
a standing whose bundles open and are the ones it names, nothing half written, and the user's file as it was.

    python bench/kills.py good.relens one.relens two.relens --kills 1000
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from relens.device.agent import Store, install
from relens.errors import RelensError

CONFIGURATION = "mine\n"
LONGEST_S = 0.03


def main() -> None:
    """Parse, kill, print; exit code 1 when anything was torn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundles", type=Path, nargs=3, help="three different .relens files")
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="relens-kills-") as folder:
        found, standings = kills(Path(folder) / "state", options.bundles, options.kills, options.seed)
    print(f"{options.kills} kills in {time.monotonic() - began_s:.0f} s, between {len(standings)} different standings")
    print(f"torn states: {found['torn']}, lost configurations: {found['lost']}")
    sys.exit(1 if found.total() else 0)


def kills(folder: Path, bundles: Sequence[Path], count: int, seed: int) -> tuple[Counter[str], set[str]]:
    """What was found wrong, and the standings that kills left behind."""
    store, configuration = Store(folder), folder / "camera.toml"
    configuration.write_text(CONFIGURATION)
    store.confirm(install(store, bundles[0]))
    ids = [install(store, bundle) for bundle in bundles[1:]]
    chance = random.Random(seed)
    wrong: Counter[str] = Counter()
    standings: set[str] = set()
    for number in range(count):
        _killed(folder, bundles[1:], ids, chance.uniform(0, LONGEST_S))
        standings.add(str(Store(folder).standing()))
        if why := torn(folder):
            wrong["torn"] += 1
            print(f"kill {number}: {why}")
        wrong["lost"] += configuration.read_text() != CONFIGURATION
    return +wrong, standings


def _killed(folder: Path, files: Sequence[Path], ids: Sequence[str], after_s: float) -> None:
    """A process that changes the disk for so long, and is killed."""
    child = os.fork()
    if child == 0:
        try:
            while True:
                for file, bundle in zip(files, ids, strict=True):
                    once(Store(folder), file, bundle)
        except BaseException:  # nobody else sees why
            traceback.print_exc()
        finally:
            os._exit(1)
    time.sleep(after_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if not os.WIFSIGNALED(status):
        raise RuntimeError("the process that was to be killed ended by itself")


def once(store: Store, file: Path, bundle: str) -> None:
    """All that changes a disk: take, accept, activate, start, confirm, fail, mend."""
    store.pardon(bundle)
    store.take(file)
    store.accept(bundle, b"{}")
    store.activate(bundle)
    store.start()
    store.confirm(bundle)
    store.fail(bundle, "on purpose")
    store.mend()


def torn(folder: Path) -> str | None:
    """Why the disk is not whole after the agent has mended it, or None."""
    store = Store(folder)
    try:
        standing = store.mend()
        strangers = [one for one in standing.needed if not store.open(one).sha256.startswith(one)]
    except RelensError as trouble:
        return str(trouble)
    if standing.active is None or strangers:
        return f"standing {standing}, strangers {strangers}"
    halves = [one.name for one in (*folder.iterdir(), *store.bundles.iterdir()) if one.name.startswith(".")]
    return f"half written: {halves}" if halves else None


if __name__ == "__main__":
    main()
