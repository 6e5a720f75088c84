"""What a run did."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, repr=False)
class Summary:
    """What a run did. fps: frames taken a second. shown: different pictures of the function's own stream.
    published: messages; the newest of them are `messages`.
    """

    function: str
    camera: str
    frames: int
    seconds: float
    fps: float
    dropped: int
    inferences: int
    published: int
    shown: int
    errors: int
    ended: str
    models: tuple[str, ...]
    warnings: tuple[str, ...]
    walls: Mapping[str, Any]
    messages: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return dict(vars(self))

    def __repr__(self) -> str:
        models = f" with {', '.join(self.models)}" if self.models else ""
        lines = [
            f"{self.function}{models} on {self.camera}: {self.ended}",
            f"  {self.frames} frames in {self.seconds:.1f} s, {self.fps:.1f} fps, {self.dropped} dropped; "
            f"{self.inferences} inferences",
            f"  {self.published} messages published, {self.shown} pictures shown, {self.errors} errors, "
            f"{len(self.warnings)} warnings",
        ]
        return "\n".join([*lines, *(f"  {one['topic']}: {one['payload'][:100]}" for one in self.messages[:1])])
