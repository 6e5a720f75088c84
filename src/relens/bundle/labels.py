"""`labels.txt`: UTF-8, one class name a line, every line ended by a newline."""

from collections.abc import Sequence
from pathlib import Path

from relens.bundle.manifest import CONTROL
from relens.bundle.refusal import damaged
from relens.errors import BadData

MAX_BYTES = 1 << 20


def label_file(labels: Sequence[str]) -> bytes:
    """The file's bytes; none for no labels.

    Raises:
        BadData: RL-DATA-003, a label with a line break or another control character, or more than 1 MiB in all.
    """
    for number, label in enumerate(labels):
        if CONTROL.search(label):
            raise BadData(
                "RL-DATA-003",
                f"label {number} is {label[:80]!a}, with a line break or another control character",
                hint="a label file has one class name a line; remove what is not part of a name",
            )
    content = "".join(f"{label}\n" for label in labels).encode()
    if len(content) > MAX_BYTES:
        raise BadData(
            "RL-DATA-003", f"the labels have {len(content)} bytes, and a bundle takes {MAX_BYTES}", hint="shorten them"
        )
    return content


def read_labels(bundle: Path, content: bytes) -> tuple[str, ...]:
    """The labels, in order.

    Raises:
        BadBundle: RL-BUNDLE-001, bytes that `label_file` does not give.
    """
    if len(content) > MAX_BYTES:
        raise damaged(bundle, f"labels.txt has {len(content)} bytes, and takes {MAX_BYTES} at most")
    try:
        *labels, rest = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as trouble:
        raise damaged(bundle, f"labels.txt: {trouble}") from None
    if rest or any(CONTROL.search(label) for label in labels):
        raise damaged(bundle, "labels.txt has control characters, or no newline at its end")
    return tuple(labels)
