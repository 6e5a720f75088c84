"""Whether the wheels that are installed fit this machine's C library (PEP 600 and, for the old tags, PEP 513 ff.)."""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions

from relens.device.doctor.finding import Finding, fine, unknown, wrong

OLD_TAGS = {"manylinux1_": (2, 5), "manylinux2010_": (2, 12), "manylinux2014_": (2, 17)}
Version = tuple[int, int]


def check_libc(libc: str | None, needs: Mapping[str, Version]) -> Finding:
    """A C library beside what packages need.

    Args:
        libc: as `glibc 2.36`; None where the system has another one.
        needs: the least version of glibc by package.
    """
    found = re.fullmatch(r"glibc (\d+)\.(\d+).*", libc or "")
    if found is None:
        return wrong(
            "libc",
            f"{libc or 'not glibc'}; the engines need glibc",
            "take Debian, Ubuntu or Raspberry Pi OS, not Alpine",
        )
    has = (int(found[1]), int(found[2]))
    if not needs:
        return unknown("libc", f"glibc {_told(has)}; no installed package says what it needs")
    beyond = sorted(package for package, least in needs.items() if least > has)
    if beyond:
        most = max(needs[package] for package in beyond)
        return wrong(
            "libc",
            f"glibc {_told(has)} is too old for {', '.join(beyond)}, which needs {_told(most)}",
            shlex.join([sys.executable, "-m", "pip", "install", "--force-reinstall", *beyond]),
        )
    return fine("libc", f"glibc {_told(has)}; installed packages need {_told(max(needs.values()))}")


def wheel_needs(path: Sequence[str] | None = None) -> dict[str, Version]:
    """The least glibc by installed package, from the tags of its wheel.

    Args:
        path: folders to look for packages in; None takes `sys.path`.
    """
    found = {}
    for one in distributions(path=list(sys.path if path is None else path)):
        least = [version for line in (one.read_text("WHEEL") or "").splitlines() for version in _versions(line)]
        if least:
            found[one.metadata["Name"]] = min(least)  # any one of its tags will do
    return found


def _versions(line: str) -> list[Version]:
    if not line.startswith("Tag:"):
        return []
    new = [(int(major), int(minor)) for major, minor in re.findall(r"manylinux_(\d+)_(\d+)_", line)]
    return new + [version for tag, version in OLD_TAGS.items() if tag in line]


def _told(version: Version) -> str:
    return ".".join(map(str, version))
