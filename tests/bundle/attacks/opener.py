"""Opens the bundles named on stdin, one a line, in a process with little room, and tells on stdout how it went."""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from relens.bundle import open_bundle
from relens.errors import RelensError

ROOM = 64 << 20


def main(good: Path) -> None:
    """Open a good one first, so that all libraries are loaded, then close the door."""
    with tempfile.TemporaryDirectory() as folder:
        open_bundle(good, Path(folder))
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    for line in sys.stdin:
        bundle, folder = json.loads(line)
        started = time.process_time()
        try:
            if bundle == "gorge":
                bytearray(2 * ROOM)
            else:
                open_bundle(Path(bundle), Path(folder))
            code, message = "opened", ""
        except RelensError as error:
            code, message = error.code, str(error)
        except BaseException as error:  # whatever it is, the test wants to know
            code, message = type(error).__name__, str(error)
        result = {"code": code, "message": message, "seconds": time.process_time() - started}
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
