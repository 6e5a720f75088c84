"""What is told of a camera from afar: the same words whoever carried its bundle."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

AWAY = "away"
"""The stage of a camera that nothing is heard of."""

EMPTY = "empty"
"""The stage of a camera without a bundle."""


@dataclass(frozen=True)
class CameraStatus:
    """One camera.

    bundle, name: what runs, by the first 12 digits of its SHA-256 and by its name. stage: `confirmed`, `active` (on
    trial), `empty` or `away`. since: since when, ISO 8601 in UTC. frames_per_s: of late. engine: what infers.
    trouble: the last error, or why nothing is heard. bad: what has failed there, by id, and why.
    """

    camera: str
    stage: str
    bundle: str | None = None
    name: str = ""
    since: str | None = None
    frames_per_s: float | None = None
    engine: str = ""
    trouble: str | None = None
    bad: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> "CameraStatus":
        """What `to_json` gave."""
        return cls(**values)
