"""What a look at one thing gives."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

STATES = {True: "ok", False: "not ok", None: "-"}


@dataclass(frozen=True)
class Finding:
    """One line. ok: None where it cannot be known, or is only told. mend: the command that mends it, or empty."""

    name: str
    ok: bool | None
    text: str
    mend: str = ""

    def __str__(self) -> str:
        line = f"{STATES[self.ok]:<6}  {self.name:<9}  {self.text}"
        return f"{line}\n{'':8}{self.mend}" if self.mend else line


@dataclass(frozen=True, repr=False)
class Examination:
    """All that was found."""

    findings: tuple[Finding, ...]

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong; what cannot be known is not wrong."""
        return all(finding.ok is not False for finding in self)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"healthy": self.healthy, "findings": [vars(finding) for finding in self]}

    def __repr__(self) -> str:
        return "\n".join(map(str, self))


def fine(name: str, text: str) -> Finding:
    """It is as it should be."""
    return Finding(name, True, text)


def wrong(name: str, text: str, mend: str) -> Finding:
    """It is not."""
    return Finding(name, False, text, mend)


def unknown(name: str, text: str, mend: str = "") -> Finding:
    """It cannot be known, or is only told."""
    return Finding(name, None, text, mend)


def as_root(command: str) -> str:
    """A command that only root may give, as this user would give it."""
    return command if os.geteuid() == 0 else f"sudo {command}"
