"""Label files: one class name a line."""

from collections.abc import Sequence
from pathlib import Path

from relens.bundle.labels import label_file
from relens.errors import BadConfig, BadData
from relens.graph import Graph


def read_labels(path: Path | None) -> tuple[str, ...]:
    """The lines of a label file, without blank ones; none without a file.

    Raises:
        BadData: RL-DATA-003 when it cannot be read, or holds what a bundle could not carry.
    """
    if path is None:
        return ()
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as trouble:
        raise BadData("RL-DATA-003", f"{path}: {trouble}", hint="a label file has one class name a line") from None
    labels = tuple(line.strip() for line in lines if line.strip())
    label_file(labels)  # refuses here, rather than after everything has been measured
    return labels


def check_labels(graph: Graph, labels: Sequence[str]) -> None:
    """Hold the labels of a classifier against its scores: one output (1, C) wants C of them.

    Raises:
        BadConfig: RL-CONFIG-003 when their numbers differ.
    """
    shape = graph.outputs[0].shape
    if labels and len(graph.outputs) == 1 and len(shape) == 2 and len(labels) != shape[-1]:
        raise BadConfig(
            "RL-CONFIG-003",
            f"there are {len(labels)} labels, and output `{graph.outputs[0].name}` has {shape[-1]} scores",
            hint="correct the label file: one class name a line, in the model's order",
        )
