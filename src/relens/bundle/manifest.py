"""`manifest.json`, version 1. This module is the only one that reads or writes it."""

import json
from typing import Any, Literal

from pydantic import Field

from relens.spec import Goals, InputSpec, OutputSpec, Strict, Task

FORMAT = "relens-bundle"
VERSION = 1


class FileEntry(Strict):
    """One file of the bundle."""

    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class Needs(Strict):
    """What the camera must have. `threads` None leaves the choice to the camera."""

    engine: str
    threads: int | None = Field(default=None, ge=1)
    relens: str


class Lineage(Strict):
    """Where the model comes from: hashes of the source and the float graph, and the steps since."""

    source: str
    source_kind: str
    source_sha256: str
    graph_sha256: str
    recipe: tuple[str, ...]
    calibration_sha256: str | None = None
    tools: dict[str, str]


class Accuracy(Strict):
    """What was measured on the workstation, on the engine named in `needs`.

    value, low, high: the metric and its 95 % interval, fractions 0..1. drop: float minus this model, paired, with
    its own interval.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    drop: float
    drop_low: float
    drop_high: float


class Tolerance(Strict):
    """How far the camera's outputs may lie from the golden ones.

    relative_rms: root mean square of the difference over that of the expected values, per output.
    """

    relative_rms: float = Field(gt=0)


class Manifest(Strict):
    """All that a camera has to know. Nothing here depends on the hour or the load of the building machine."""

    format: Literal["relens-bundle"] = "relens-bundle"
    version: Literal[1] = 1
    name: str
    task: Task
    scheme: str
    input: InputSpec
    output: dict[str, Any]
    needs: Needs
    goals: Goals
    tolerance: Tolerance
    accuracy: Accuracy | None = None
    lineage: Lineage
    files: tuple[FileEntry, ...]

    @property
    def output_spec(self) -> OutputSpec:
        """The `[output]` table."""
        return OutputSpec.model_validate(self.output)

    def to_bytes(self) -> bytes:
        """Canonical JSON: sorted keys, two spaces, one final newline."""
        return (json.dumps(self.model_dump(mode="json"), indent=2, sort_keys=True) + "\n").encode()
