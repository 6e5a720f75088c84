"""Open a bundle: check everything first, then hand it out."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from relens.bundle.archive import read_archive
from relens.bundle.bundle import Bundle, GoldenFrame
from relens.bundle.manifest import FORMAT, VERSION, Manifest
from relens.errors import BadBundle
from relens.graph import Graph

AGAIN = "get the bundle again from where it was built"


def open_bundle(path: Path, folder: Path) -> Bundle:
    """Check a bundle and unpack its model into `folder`, as `<first 16 digits of its hash>.tflite`.

    Raises:
        BadBundle: RL-BUNDLE-001 when it is damaged or not a bundle, -002 when a file is not what the manifest
            says, -003 when its format is newer than this relens.
        BadModel: RL-GRAPH-001, -002 when its model is not a TFLite graph.
    """
    path = Path(path)
    files = read_archive(path)
    manifest = _manifest(path, files)
    _check_files(path, manifest, files)
    graph = Graph.from_bytes(files["model.tflite"], f"{path}: model.tflite")
    outputs = [tensor.name for tensor in graph.outputs]
    golden = tuple(
        _golden(path, name.removesuffix("/frame.png"), files, outputs)
        for name in sorted(files)
        if name.endswith("/frame.png")
    )
    model = folder / f"{graph.sha256[:16]}.tflite"
    graph.write(model)
    labels = tuple(files.get("labels.txt", b"").decode("utf-8").splitlines())
    return Bundle(path, hashlib.sha256(path.read_bytes()).hexdigest(), manifest, model, labels, golden)


def _manifest(path: Path, files: dict[str, bytes]) -> Manifest:
    if "manifest.json" not in files or "model.tflite" not in files:
        raise BadBundle("RL-BUNDLE-001", f"{path} holds no manifest or no model", hint=AGAIN)
    try:
        values: Any = json.loads(files["manifest.json"])
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise BadBundle("RL-BUNDLE-001", f"{path}: manifest.json is not a bundle's", hint=AGAIN)
        if values.get("version") != VERSION:
            raise BadBundle(
                "RL-BUNDLE-003",
                f"{path} has format version {values.get('version')!r}, and this relens reads {VERSION}",
                hint="pip install --upgrade relens",
            )
        return Manifest.model_validate(values)
    except (ValidationError, ValueError, RecursionError) as trouble:
        first = str(trouble).splitlines()[0]
        raise BadBundle("RL-BUNDLE-001", f"{path}: manifest.json: {first}", hint=AGAIN) from None


def _check_files(path: Path, manifest: Manifest, files: dict[str, bytes]) -> None:
    listed = {entry.path: entry for entry in manifest.files}
    strays = set(files) ^ {*listed, "manifest.json"}
    if strays or len(listed) != len(manifest.files):
        raise BadBundle("RL-BUNDLE-002", f"{path}: manifest and content differ in {sorted(strays)}", hint=AGAIN)
    for name, entry in listed.items():
        if hashlib.sha256(files[name]).hexdigest() != entry.sha256 or len(files[name]) != entry.size_bytes:
            raise BadBundle("RL-BUNDLE-002", f"{path}: `{name}` does not have the hash in the manifest", hint=AGAIN)


def _golden(path: Path, folder: str, files: dict[str, bytes], outputs: list[str]) -> GoldenFrame:
    picture = cv2.imdecode(np.frombuffer(files[f"{folder}/frame.png"], np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise BadBundle("RL-BUNDLE-001", f"{path}: {folder}/frame.png is not a picture", hint=AGAIN)
    expected = {}
    for place, name in enumerate(outputs):
        file = f"{folder}/output-{place}.npy"
        if file not in files:
            raise BadBundle("RL-BUNDLE-002", f"{path}: {file} is missing", hint=AGAIN)
        expected[name] = _values(path, file, files[file])
    return GoldenFrame(folder.removeprefix("golden/"), np.asarray(picture, np.uint8), expected)


def _values(path: Path, name: str, content: bytes) -> NDArray[np.float32]:
    try:
        values = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as trouble:
        raise BadBundle("RL-BUNDLE-001", f"{path}: {name}: {trouble}", hint=AGAIN) from None
    return np.asarray(values, np.float32)
