"""Which engines are installed, and whether they load."""

import shlex
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, entry_points, version

from relens.device.doctor.apart import attempt
from relens.device.doctor.finding import Finding, fine, unknown, wrong

PACKAGES = {"litert": "ai-edge-litert", "openvino": "openvino"}
"""The built-in engines' packages; not from `relens.engines`, which loads NumPy, and that may be what fails."""
LOAD_S = 60.0


def check_engines(needed: str | None = None) -> Iterator[Finding]:
    """One finding an engine, plug-ins too.

    Args:
        needed: the engine of the bundle that runs; None: there is none, or it is not known.
    """
    for name, package in PACKAGES.items():
        yield check_engine(name, package, name in ("litert", needed))
    for point in entry_points(group="relens.engines"):
        package = point.dist.name if point.dist else point.module
        yield check_engine(point.name, package, point.name == needed)


def check_engine(name: str, package: str, needed: bool) -> Finding:
    """Whether an engine is here and loads.

    Args:
        name: as `load_engine` takes it.
        package: what brings it.
        needed: whether it is missed where it is not installed.
    """
    pip = [sys.executable, "-m", "pip", "install"]
    try:
        found = version(package)
    except PackageNotFoundError:
        text = f"{name} is not installed"
        if needed:
            return wrong("engine", text, shlex.join([*pip, package]))
        return unknown("engine", f"{text}, and nothing here needs it")
    trouble = attempt([sys.executable, "-m", "relens.device.doctor.load", name], LOAD_S).trouble
    if trouble:
        return wrong("engine", f"{name} {found}: {trouble}", shlex.join([*pip, "--force-reinstall", package]))
    return fine("engine", f"{name} {found} loads")
