"""One way of running the model: a candidate on an engine, with everything measured about it."""

from dataclasses import dataclass
from typing import Any

from relens.engines import EngineReport
from relens.engines.kernels import NATIVE, unlimited
from relens.measure.estimate import Estimate
from relens.measure.latency import Latency
from relens.measure.memory import Memory
from relens.measure.score import Score
from relens.measure.statistics import Interval
from relens.quantize import Candidate

REFERENCE_ENGINE = "litert"
"""The float candidate on this engine is what every other option is held against."""


@dataclass(frozen=True)
class Option:
    """A measured candidate on one engine.

    drop: float's score minus this one's, paired over the same pictures. refused: why it was not measured at all.
    kernels: what `score` was measured on: "native", or the name of another processor's kernels, emulated.
    estimate: of its latency on a device that is not here; it decides nothing.
    """

    candidate: Candidate
    engine: str
    report: EngineReport | None = None
    score: Score | None = None
    drop: Interval | None = None
    latency: Latency | None = None
    memory: Memory | None = None
    refused: str | None = None
    kernels: str = NATIVE
    estimate: Estimate | None = None

    @property
    def name(self) -> str:
        """`int8 on litert`."""
        return f"{self.candidate.name} on {self.engine}"

    @property
    def is_reference(self) -> bool:
        """Whether it is the untouched float model on the engine of reference."""
        return self.name == f"float32 on {REFERENCE_ENGINE}"

    @property
    def size_mb(self) -> float:
        """Size of the file, MB of 1e6 bytes."""
        return self.candidate.graph.size_bytes / 1e6

    def to_json(self) -> dict[str, Any]:
        """Plain values for the report."""
        return {
            "name": self.name,
            "scheme": self.candidate.scheme,
            "recipe": list(self.candidate.recipe),
            "engine": str(self.report) if self.report else self.engine,
            "size_mb": round(self.size_mb, 3),
            "accuracy": _accuracy_json(self),
            "drop": vars(self.drop) if self.drop else None,
            "latency": self.latency.to_json() if self.latency else None,
            "estimate": self.estimate.to_json() if self.estimate else None,
            "memory": self.memory.to_json() if self.memory else None,
            "refused": self.refused,
        }


def _accuracy_json(option: Option) -> dict[str, Any] | None:
    """The score, and its kernels in the words of `KernelLatency.to_json`."""
    score = option.score
    if score is None:
        return None
    emulated = option.kernels != NATIVE
    own = unlimited(option.kernels, option.report) if emulated and option.report else ()
    return {
        "metric": score.metric,
        **vars(score.interval),
        "n": score.n,
        "also": score.also,
        "kernels": option.kernels,
        "emulated": emulated,
        "unlimited": list(own),
    }
