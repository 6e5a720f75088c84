"""A graph that may become the one on the camera, and how it was made."""

from dataclasses import dataclass

from relens.graph import Graph
from relens.spec import Scheme


@dataclass(frozen=True)
class Candidate:
    """A flatbuffer with its recipe and lineage.

    recipe: the steps from the float graph on, as printed in reports. parent_sha256: the float graph's hash.
    label: the names of the steps before the scheme.
    """

    graph: Graph
    scheme: Scheme
    recipe: tuple[str, ...]
    parent_sha256: str
    calibration_sha256: str | None = None
    label: str = ""

    @property
    def name(self) -> str:
        """How tables call it: `int8`, or `channels+heal int8`."""
        return f"{self.label} {self.scheme}".strip()
