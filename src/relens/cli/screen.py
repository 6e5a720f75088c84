"""What the terminal shows: progress and notes on stderr, results on stdout."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

NOTE_WIDTH = 40


class Stages:
    """Draws the pipeline's stages as one line each."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def stage(self, name: str) -> None:
        """Tick the last stage off and begin the next."""
        self.finish()
        self._task = self._bars.add_task(name, total=1.0, note="")

    def advance(self, fraction: float, note: str = "") -> None:
        """Move the present stage's bar."""
        if self._task is not None:
            self._bars.update(self._task, completed=fraction, note=note[:NOTE_WIDTH])

    def finish(self) -> None:
        """Tick the last stage off."""
        if self._task is not None:
            self._bars.update(self._task, completed=1.0, note="")
            self._bars.stop_task(self._task)


@contextmanager
def stages() -> Iterator[Stages]:
    """Progress on stderr while the block runs."""
    columns = (SpinnerColumn(), TextColumn("{task.description:<20}"), BarColumn(30), TimeElapsedColumn())
    # A descriptor of our own: libraries that are loaded meanwhile have the usual one turned away from them.
    with (
        os.fdopen(os.dup(sys.stderr.fileno()), "w", encoding="utf-8") as terminal,
        Progress(*columns, TextColumn("[dim]{task.fields[note]}"), console=Console(file=terminal)) as bars,
    ):
        drawn = Stages(bars)
        yield drawn
        drawn.finish()


def note(text: str) -> None:
    """Something the user should know, on stderr."""
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[yellow]note[/]: {text}")


def say(text: str) -> None:
    """A result, on stdout."""
    sys.stdout.write(text + "\n")


def say_json(values: Any) -> None:
    """A result for machines, on stdout."""
    say(json.dumps(values, indent=2))
