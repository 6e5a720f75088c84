"""Write a bundle."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from relens.bundle.archive import MAX_BYTES, MAX_ENTRIES, write_archive
from relens.bundle.bundle import GoldenFrame
from relens.bundle.golden import golden_files
from relens.bundle.labels import label_file
from relens.bundle.manifest import FileEntry, Manifest
from relens.errors import BadConfig, BadModel
from relens.graph import Graph


def write_bundle(
    path: Path, draft: Manifest, model: Graph, labels: Sequence[str], golden: Sequence[GoldenFrame]
) -> Manifest:
    """Write a bundle file; the same arguments always give the same bytes, and what a reader refuses is not written.

    Args:
        path: where to (`*.relens`); replaced whole or not at all.
        draft: the manifest; its `files` are filled in here.
        model: the chosen graph.
        labels: class names, in order; may be empty.
        golden: frames with the values expected from each of the model's outputs; they are numbered anew.

    Returns:
        The manifest as written.

    Raises:
        BadConfig: RL-CONFIG-003, a manifest that no reader takes, such as a name with a slash.
        BadData: RL-DATA-002, too many pixels in the golden frames; RL-DATA-003, labels that are not one line each.
        BadModel: RL-GRAPH-003, over 2 GiB; RL-SOURCE-012, golden outputs that are NaN or infinite.
        ValueError: golden frames that do not fit the model, or too many.
        OSError: the file cannot be written; nothing of it is left then.
    """
    outputs = [tensor.name for tensor in model.outputs]
    files = {
        "model.tflite": model.content,
        "labels.txt": label_file(labels),
        **golden_files(golden, outputs),
    }
    manifest = draft.model_copy(update={"files": tuple(_entry(name, files[name]) for name in sorted(files))})
    if flaw := manifest.flaw():
        hint = "correct it in relens.toml (a model without `name` takes its file's)"
        raise BadConfig("RL-CONFIG-003", f"this cannot stand in a bundle: {flaw}", hint=hint)
    files["manifest.json"] = manifest.to_bytes()
    if len(files) > MAX_ENTRIES or len(golden) > 1000:
        raise ValueError(f"{len(files)} files, and a bundle takes {MAX_ENTRIES}: fewer golden frames will do")
    if sum(map(len, files.values())) > MAX_BYTES - (1 << 20):  # what the zip adds is far less than that
        raise BadModel(
            "RL-GRAPH-003",
            f"the model has {model.size_bytes} bytes, and a bundle ends at {MAX_BYTES}",
            hint="use a smaller model, or a scheme that shrinks it: relens build",
        )
    write_archive(path, files)
    return manifest


def _entry(name: str, content: bytes) -> FileEntry:
    return FileEntry(path=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
