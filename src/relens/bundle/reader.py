"""Open a bundle: check everything first, then hand it out."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from relens.bundle.archive import read_bytes, unpacked
from relens.bundle.bundle import Bundle
from relens.bundle.golden import golden_names, read_golden
from relens.bundle.labels import read_labels
from relens.bundle.manifest import Manifest
from relens.bundle.refusal import damaged, differs
from relens.graph import Graph


def open_bundle(path: Path, folder: Path) -> Bundle:
    """Check a bundle, then write its model into `folder`, as `<first 16 digits of its hash>.tflite`.

    Raises:
        BadBundle: RL-BUNDLE-001 when it is damaged or not a bundle, -002 when a file is not what the manifest
            says, -003 when its format is newer than this relens.
        BadModel: RL-GRAPH-001, -002 when its model is not a TFLite graph.
        OSError: the model cannot be written.
    """
    path = Path(path)
    content = read_bytes(path)
    files = unpacked(path, content)
    if "manifest.json" not in files or "model.tflite" not in files:
        raise damaged(path, "it holds no manifest or no model")
    manifest = Manifest.from_bytes(files["manifest.json"], path)
    _check_hashes(path, manifest, files)
    graph = Graph.from_bytes(files["model.tflite"], f"{path}: model.tflite")
    outputs = [tensor.name for tensor in graph.outputs]
    _check_names(path, files, len(outputs))
    labels = read_labels(path, files["labels.txt"])
    golden = read_golden(path, files, outputs)
    model = Path(folder) / f"{graph.sha256[:16]}.tflite"
    if not _holds(model, graph.content):  # so that a bundle opens again where it was opened before, on a full disk too
        graph.write(model)
    return Bundle(path, hashlib.sha256(content).hexdigest(), manifest, model, labels, golden)


def _check_hashes(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> None:
    """Every file but the manifest is listed once, in order of its name, with its size and hash."""
    listed = [entry.path for entry in manifest.files]
    present = sorted(files.keys() - {"manifest.json"})
    if listed != present:
        strays = sorted({*listed} ^ {*present})
        what = f"differ in {strays[:3]!a}" if strays else "do not list the files in the same order"
        raise differs(path, f"manifest and content {what}")
    for entry in manifest.files:
        content = files[entry.path]
        if len(content) != entry.size_bytes or hashlib.sha256(content).hexdigest() != entry.sha256:
            raise differs(path, f"`{entry.path}` does not have the size and hash in the manifest")


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except OSError:
        return False


def _check_names(path: Path, files: Mapping[str, bytes], outputs: int) -> None:
    """Golden frames are numbered without gaps, each with its picture and one file for each output of the model."""
    frames = sum(name.endswith("/frame.png") for name in files)
    wanted = {"manifest.json", "model.tflite", "labels.txt", *golden_names(frames, outputs)}
    if strays := sorted(files.keys() ^ wanted):
        raise differs(path, f"its model has {outputs} outputs, and {strays[:3]!a} are missing or do not belong")
