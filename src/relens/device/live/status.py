"""What `/api/status` says, as types: the schema that `/api/schema` serves. The hub fills it in by hand, many times a
second.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Box = tuple[float, float, float, float]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class AboutSaid(_Said):
    """What does not change while the loop runs."""

    name: str
    sha256: str
    engine: str
    camera: str


class ClassSaid(_Said):
    """A class and its score, 0..1."""

    label: str
    index: int
    score: float


class DetectionSaid(ClassSaid):
    """box: x1 y1 x2 y2 in pixels of the frame. track: the same on every frame; null where nobody follows it."""

    box: Annotated[Box, Field(strict=False)]
    track: int | None


class ClassesSaid(_Said):
    """The best classes, best first."""

    kind: Literal["classes"]
    classes: list[ClassSaid]


class DetectionsSaid(_Said):
    """What was found."""

    kind: Literal["detections"]
    detections: list[DetectionSaid]


class TensorsSaid(_Said):
    """Shapes of raw outputs, by name."""

    kind: Literal["tensors"]
    shapes: dict[str, list[int]]


class FrameSaid(_Said):
    """The newest frame. age_ms: from its capture until its prediction was there."""

    number: int
    age_ms: float
    width: int
    height: int
    prediction: Annotated[ClassesSaid | DetectionsSaid | TensorsSaid, Field(discriminator="kind")]


class StageSaid(_Said):
    """One stage of the loop, over its newest frames."""

    median_ms: float
    p90_ms: float


class LoopSaid(_Said):
    """Counters since the loop began. trouble: why the camera gives no frames at the moment; lost: how often it went
    away.
    """

    captured: int
    dropped: int
    inferred: int
    errors: int
    fps: float
    seconds: float
    last_inferred_s: float | None
    trouble: str | None
    lost: int
    stages: dict[str, StageSaid]


class MemorySaid(_Said):
    """Resident memory of the process, in units of 1e6 bytes."""

    resident_mb: float
    peak_mb: float


class Status(_Said):
    """frame: null before the first. kept: whether /api/bundles, /api/events and the actions are there."""

    about: AboutSaid
    frame: FrameSaid | None
    loop: LoopSaid
    memory: MemorySaid
    viewers: int
    page_errors: int
    kept: bool
