"""How long work tells that it is alive."""

from typing import Protocol


class Progress(Protocol):
    """Told by the pipeline what it is doing; the command line draws it."""

    def stage(self, name: str) -> None:
        """A new stage begins, and the one before it is done."""
        ...

    def advance(self, fraction: float, note: str = "") -> None:
        """The present stage is `fraction` (0..1) done."""
        ...


class Silent:
    """Tells nobody."""

    def stage(self, name: str) -> None:
        """Ignore it."""

    def advance(self, fraction: float, note: str = "") -> None:
        """Ignore it."""
