"""Run a program of a device's on an emulated processor of its kind: qemu's user mode (man qemu-user)."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from relens.errors import BadConfig, DeviceTrouble
from relens.spec import Device

# What qemu says when the program met an instruction that this processor has not, or touched what it must not.
_SIGNAL = re.compile(r"uncaught target signal (\d+) \(([^)]*)\)")


@dataclass(frozen=True)
class Emulator:
    """qemu for one processor. root: a folder whose libraries stand in for the system's; None: this system's own."""

    program: str
    cpu: str
    root: Path | None = None

    @classmethod
    def of(cls, device: Device, root: Path | None = None) -> "Emulator":
        """The emulator of a device.

        Raises:
            BadConfig: RL-KIT-005 when its profile names no processor of qemu's, or `root` holds no system.
            DeviceTrouble: RL-KIT-006 when qemu is not installed.
        """
        if not device.emulation.cpu:
            raise BadConfig(
                "RL-KIT-005",
                f"the profile `{device.name}` does not say which processor of qemu's is like it",
                hint='add `[emulation]` with `cpu = "..."` to it (qemu-x86_64 -cpu help)',
            )
        if root is not None and not (root / "lib").is_dir():
            raise BadConfig("RL-KIT-005", f"{root} holds no root file system", hint="tools/ubuntu-16.04 DIR makes one")
        for loader in root.glob("lib*/ld-linux-*") if root else ():
            if loader.is_symlink() and loader.readlink().is_absolute():
                there = os.path.relpath(f"{root}{loader.readlink()}", loader.parent)
                raise BadConfig(
                    "RL-KIT-005",
                    f"{loader} leads out of {root}: the emulator would take this system's loader",
                    hint=f"ln -sf {there} {loader}",
                )
        program = f"qemu-{device.architecture}"
        if shutil.which(program) is None:
            raise DeviceTrouble("RL-KIT-006", f"{program} is not installed", hint="apt-get install qemu-user")
        return cls(program, device.emulation.cpu, root)

    def command(self, program: Sequence[str | Path]) -> list[str]:
        """A command that runs `program` on it; the first part is the file itself, no link."""
        root = ["-L", str(self.root)] if self.root else []
        return [self.program, "-cpu", self.cpu, *root, *map(str, program)]

    @property
    def version(self) -> str:
        """As `qemu-x86_64 version 7.2.22`."""
        done = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True)
        return done.stdout.partition("(")[0].strip()


def died_of(said: str) -> str | None:
    """The signal that ended an emulated program, as `Illegal instruction`; None where none did."""
    found = _SIGNAL.search(said)
    return found[2] if found else None
