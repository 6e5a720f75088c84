"""Does the graph answer as its source does?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relens.errors import BadModel
from relens.sources.request import Arrays

TOLERANCE = 1e-4
SMALLEST_SCALE = 1e-2
# Rounding inside the model adds to that of its input: 2 to 6 times as much, measured on YOLOX-nano.
ROUNDING = 16


@dataclass(frozen=True)
class Agreement:
    """How far a graph is from its source, over all outputs and probes.

    Attributes:
        max_error: the largest |source - graph|.
        relative_error: the largest |source - graph| / max |source|, output by output.
    """

    max_error: float
    relative_error: float


@dataclass(frozen=True)
class _Answers:
    """One output for all probes, stacked `(probes, ...)` float64: of the source, the source nudged, the graph."""

    source: NDArray[np.float64]
    nudged: NDArray[np.float64]
    graph: NDArray[np.float64]

    @property
    def error(self) -> float:
        return float(np.abs(self.source - self.graph).max(initial=0))

    @property
    def scale(self) -> float:
        """The size of what the source answers. Below `SMALLEST_SCALE`, float32 rounding is all there is."""
        return max(SMALLEST_SCALE, float(np.abs(self.source).max(initial=0)))

    @property
    def limit(self) -> float:
        """The error allowed.

        A model fed with inputs far from its own range can amplify the last bit of float32 beyond any fixed
        tolerance; no graph can be held to more than the source agrees with itself.
        """
        rounding = float(np.abs(self.source - self.nudged).max(initial=0))
        return max(TOLERANCE * self.scale, ROUNDING * rounding)


def compare(source: Sequence[Arrays], nudged: Sequence[Arrays], graph: Sequence[Arrays], path: Path) -> Agreement:
    """Compare outputs by name.

    Args:
        source: what the source answers to each probe.
        nudged: what it answers when the last bits of the probes change.
        graph: what the graph answers.
        path: the source, for errors.

    Raises:
        BadModel: RL-SOURCE-012, the source itself answers NaN or infinity; -013, the graph does, or it
            has other outputs, shapes or values.
    """
    outputs = [
        _checked(name, [_stack(name, items, path) for items in (source, nudged, graph)], path) for name in source[0]
    ]
    return Agreement(max(output.error for output in outputs), max(output.error / output.scale for output in outputs))


def _stack(name: str, items: Sequence[Arrays], path: Path) -> NDArray[np.float64]:
    if any(name not in item for item in items):
        raise _disagree(path, f"output {name} is missing in the graph")
    return np.stack([item[name].astype(np.float64) for item in items])


def _checked(name: str, stacks: list[NDArray[np.float64]], path: Path) -> _Answers:
    answers = _Answers(*stacks)
    if not np.isfinite(answers.source).all():
        raise BadModel(
            "RL-SOURCE-012",
            f"{path} itself answers NaN or infinity in output {name}",
            hint="check its weights; if only random inputs upset it, give real ones: probes=[...]",
        )
    if answers.graph.shape != answers.source.shape:
        raise _disagree(
            path, f"output {name} is {answers.graph.shape[1:]} where its source gives {answers.source.shape[1:]}"
        )
    if not np.isfinite(answers.graph).all():
        raise _disagree(path, f"output {name} is NaN or infinite in the graph")
    if answers.error > answers.limit:
        raise _disagree(path, f"output {name} differs by {answers.error:.3g} where {answers.limit:.3g} is allowed")
    return answers


def _disagree(path: Path, what: str) -> BadModel:
    return BadModel(
        "RL-SOURCE-013",
        f"{path}: the converted graph does not answer as its source does: {what}",
        hint="export the model as a SavedModel and convert that; if it stays, the converter is at fault",
    )
