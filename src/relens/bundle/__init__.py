"""One reproducible file, ready to be signed: model, labels, contract, goals, golden frames. See docs/bundle.md."""

from relens.bundle.bundle import Bundle, GoldenFrame, positions, sampled
from relens.bundle.manifest import Accuracy, FileEntry, Lineage, Manifest, Needs, Tolerance
from relens.bundle.reader import open_bundle
from relens.bundle.writer import write_bundle

__all__ = [
    "Accuracy",
    "Bundle",
    "FileEntry",
    "GoldenFrame",
    "Lineage",
    "Manifest",
    "Needs",
    "Tolerance",
    "open_bundle",
    "positions",
    "sampled",
    "write_bundle",
]
