"""Write a bundle."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from relens.bundle.archive import write_archive
from relens.bundle.bundle import GoldenFrame
from relens.bundle.manifest import FileEntry, Manifest
from relens.graph import Graph


def write_bundle(
    path: Path, draft: Manifest, model: Graph, labels: Sequence[str], golden: Sequence[GoldenFrame]
) -> Manifest:
    """Write a bundle file; the same arguments always give the same bytes.

    Args:
        path: where to (`*.relens`); replaced whole or not at all.
        draft: the manifest; its `files` are filled in here.
        model: the chosen graph.
        labels: class names, in order; may be empty.
        golden: frames with the outputs expected from them.

    Returns:
        The manifest as written.
    """
    files = {"model.tflite": model.content, "labels.txt": "".join(f"{label}\n" for label in labels).encode()}
    for number, item in enumerate(golden):
        files |= _golden_files(f"golden/{number:03d}", item)
    manifest = draft.model_copy(update={"files": tuple(_entry(name, files[name]) for name in sorted(files))})
    write_archive(path, {"manifest.json": manifest.to_bytes(), **files})
    return manifest


def _golden_files(folder: str, item: GoldenFrame) -> dict[str, bytes]:
    done, picture = cv2.imencode(".png", item.frame)
    if not done:
        raise ValueError(f"golden frame {item.name} has shape {item.frame.shape}")
    files = {f"{folder}/frame.png": picture.tobytes()}
    for place, values in enumerate(item.expected.values()):
        stream = io.BytesIO()
        np.save(stream, values.astype("<f4"), allow_pickle=False)
        files[f"{folder}/output-{place}.npy"] = stream.getvalue()
    return files


def _entry(name: str, content: bytes) -> FileEntry:
    return FileEntry(path=name, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
