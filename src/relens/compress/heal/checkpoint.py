"""Where a training stands, on disk after every epoch: a killed one goes on from there to the same result."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from relens.files import write_whole
from relens.lift.layers import numbers


class Checkpoint:
    """Variables and facts in one file, whole or not at all.

    Args:
        path: the file; None keeps nothing.
        key: what the training depends on; a file of another training counts as absent.
    """

    def __init__(self, path: Path | None, key: str) -> None:
        self.path, self.key = path, key

    def save(self, variables: Sequence[Any], best: Sequence[Any], facts: dict[str, Any]) -> None:
        """Keep the variables as they are, the best ones so far, and the facts."""
        if self.path is None:
            return
        arrays = {f"now{place}": numbers(value) for place, value in enumerate(variables)}
        arrays |= {f"best{place}": np.asarray(value) for place, value in enumerate(best)}
        text = json.dumps({"key": self.key, "facts": facts})
        content = io.BytesIO()
        every: dict[str, Any] = {"text": np.frombuffer(text.encode(), np.uint8), **arrays}
        np.savez(content, **every)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, [content.getvalue()])

    def restore(self, variables: Sequence[Any]) -> tuple[list[Any], dict[str, Any]] | None:
        """Set the variables to what was kept; give the best ones and the facts, or None when there is nothing."""
        if self.path is None or not self.path.is_file():
            return None
        try:
            with np.load(self.path) as kept:
                found = json.loads(kept["text"].tobytes())
                now = [kept[f"now{place}"] for place in range(len(variables))]
                best = [kept[name] for name in kept.files if name.startswith("best")]
        except (OSError, ValueError, KeyError):
            return None
        if found["key"] != self.key:
            return None
        for variable, value in zip(variables, now, strict=True):
            variable.assign(value)
        return best, found["facts"]

    def clear(self) -> None:
        """Forget it: the training is finished."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
