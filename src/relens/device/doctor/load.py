"""Load an engine, whatever comes of it: `python -m relens.device.doctor.load NAME`."""

import sys
from importlib import import_module
from importlib.metadata import entry_points

from relens.engines import BUILT_IN


def main(name: str) -> None:
    """Load it; a failure ends this process with its reason as the last line on stderr."""
    if name in BUILT_IN:
        import_module(BUILT_IN[name][0])
        return
    for point in entry_points(group="relens.engines", name=name):
        point.load()


if __name__ == "__main__":
    main(sys.argv[1])
