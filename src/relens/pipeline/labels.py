"""Label files: one class name a line."""

from pathlib import Path

from relens.bundle.labels import label_file
from relens.errors import BadData


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
