"""What the parent and its child say to each other: a request in JSON, arrays in .npz, a failure in JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from relens.errors import BadConfig, BadModel, RelensError

Arrays = Mapping[str, NDArray[np.generic]]

# Files in the folder that parent and children share.
REQUEST = "request.json"
PROBES = "probes.npz"  # what source and graph are fed
REFERENCES = "references.npz"  # what the source answers
NUDGED = "nudged.npz"  # what it answers when the probes' last bits change
SOURCE = "source.tflite"  # the source, where it is a .tflite
GRAPH = "graph.tflite"
NAMES = "names.json"
RESULTS = "results.npz"  # what the graph answers
FAILURE = "failure.json"


@dataclass(frozen=True)
class Request:
    """One import, as the child gets it.

    Attributes:
        kind: one of the kinds in `relens.sources.detect`.
        path: the source, absolute.
        inputs: names of tensors of a frozen graph to feed.
        outputs: names of the outputs to keep.
        signature: the signature of a SavedModel.
        input_shapes: sizes for open dimensions, by input name, batch included.
    """

    kind: str
    path: str
    inputs: tuple[str, ...] | None = None
    outputs: tuple[str, ...] | None = None
    signature: str | None = None
    input_shapes: Mapping[str, tuple[int, ...]] | None = None

    def write(self, folder: Path) -> None:
        """Leave the request in the folder that parent and child share."""
        (folder / REQUEST).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "Request":
        """The request left in this folder."""
        values = json.loads((folder / REQUEST).read_text())
        for key in ("inputs", "outputs"):
            values[key] = values[key] and tuple(values[key])
        shapes = values["input_shapes"]
        values["input_shapes"] = shapes and {name: tuple(shape) for name, shape in shapes.items()}
        return cls(**values)


@dataclass(frozen=True)
class Names:
    """The source's own names, in the order of the converted graph's `input_000`, `output_000`, ..."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def write(self, folder: Path) -> None:
        """Leave the names in the shared folder."""
        (folder / NAMES).write_text(json.dumps(asdict(self)))

    @classmethod
    def read(cls, folder: Path) -> "Names":
        """The names left in this folder."""
        values = json.loads((folder / NAMES).read_text())
        return cls(tuple(values["inputs"]), tuple(values["outputs"]))


def write_arrays(path: Path, items: Sequence[Arrays]) -> None:
    """Write a list of named arrays as one `.npz`."""
    # The name stays out of the member's path: it may hold slashes.
    named = {f"{index}:{name}": value for index, item in enumerate(items) for name, value in item.items()}
    np.savez(path, allow_pickle=False, **named)


def read_arrays(path: Path) -> list[dict[str, NDArray[np.generic]]]:
    """The list that `write_arrays` wrote."""
    items: dict[int, dict[str, NDArray[np.generic]]] = {}
    with np.load(path) as archive:
        for key in archive.files:
            index, name = key.split(":", 1)
            items.setdefault(int(index), {})[name] = archive[key]
    return [items[index] for index in sorted(items)]


def write_failure(folder: Path, failure: RelensError) -> None:
    """Leave an error for the parent to raise."""
    (folder / FAILURE).write_text(json.dumps({**failure.to_json(), "details": failure.details}))


def read_failure(folder: Path, path: str) -> RelensError | None:
    """The error the child left, if it left one, naming the source at `path`."""
    file = folder / FAILURE
    if not file.exists():
        return None
    values = json.loads(file.read_text())
    kind = BadConfig if values["code"].startswith("RL-CONFIG") else BadModel
    message = values["message"] if path in values["message"] else f"{path}: {values['message']}"
    return kind(values["code"], message, hint=values["hint"], details=values["details"])
