"""What kind of model a file or folder is, by its content."""

import re
import zipfile
from pathlib import Path

from relens.errors import BadModel
from relens.sources.protobuf import fields

SAVED_MODEL = "SavedModel"
KERAS = "Keras"
FROZEN_GRAPH = "frozen graph"
TFLITE = "TFLite"

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
LEVELDB_MAGIC = bytes.fromhex("57fb808b247547db")  # ends the index file of a TensorFlow checkpoint
ARCHIVES = {b"\x1f\x8b": "a gzip archive", b"BZh": "a bzip2 archive", b"\xfd7zXZ": "an xz archive"}
HEAD_BYTES = 512
EXPORT = 'model.export("my_model") in the program that made it writes a SavedModel'


def detect_kind(path: Path) -> str:
    """`SAVED_MODEL`, `KERAS`, `FROZEN_GRAPH` or `TFLITE`.

    Raises:
        BadModel: RL-SOURCE-001, missing, empty or something else, and then what it seems to be;
            RL-SOURCE-002, weights without a model.
    """
    if path.is_dir():
        return _folder(path)
    head = _head(path)
    if head[4:8] == b"TFL3":
        return TFLITE
    if head.startswith(HDF5_MAGIC):
        return KERAS
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if _is_checkpoint(path):
        raise _weights_only(path, "is a part of a TensorFlow checkpoint")
    return _protobuf(path, head)


def _folder(path: Path) -> str:
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return SAVED_MODEL
    inside = sorted(path.iterdir())
    if any(_is_checkpoint(file) for file in inside):
        raise _weights_only(path, "holds a TensorFlow checkpoint and no saved_model.pb")
    below = [item for item in inside if (item / "saved_model.pb").is_file()]
    models = below or [item for item in inside if item.suffix in {".keras", ".h5", ".tflite", ".pb"}]
    hint = f"relens convert {models[0]}" if models else f"give the folder with saved_model.pb in it: {EXPORT}"
    raise _unknown(path, "is a folder without saved_model.pb", hint)


def _zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile as error:
        raise _unknown(path, f"is a damaged zip file ({error})", "copy or export it again") from error
    if "config.json" in names and "model.weights.h5" in names:
        return KERAS
    if any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
        raise _pytorch(path)
    if all(name.endswith(".npy") for name in names):
        raise _weights_only(path, "holds numpy arrays")
    raise _unknown(path, "is a zip archive, not a model", f"unpack it and give what is inside: unzip {path}")


def _protobuf(path: Path, head: bytes) -> str:
    found = fields(path.read_bytes(), limit=2**20)
    if path.name == "saved_model.pb":
        raise _unknown(path, "is one file of a SavedModel", f"give its folder: relens convert {path.parent}")
    if found and _is_graph(found):
        return FROZEN_GRAPH
    if {1, 7} <= {number for number, _ in found} and (1, None) in found:
        raise _unknown(path, "is an ONNX model", f"relens starts from the TensorFlow model: {EXPORT}")
    raise _foreign(path, head)


def _is_graph(found: list[tuple[int, bytes | None]]) -> bool:
    """Whether these are the fields of a GraphDef whose nodes have a name and an operation."""
    if not {number for number, _ in found} <= {1, 2, 3, 4}:
        return False
    node = dict(reversed(fields(next((value for number, value in found if number == 1), None) or b"")))
    return bool(node.get(1)) and re.fullmatch(rb"[A-Za-z_>][\w>.]*", node.get(2) or b"") is not None


def _foreign(path: Path, head: bytes) -> BadModel:
    """The error for a file that is no model at all."""
    archive = next((name for magic, name in ARCHIVES.items() if head.startswith(magic)), None)
    if head[257:262] == b"ustar":
        archive = "a tar archive"
    if archive:
        return _unknown(path, f"is {archive}", f"unpack it and give what is inside: tar xf {path}")
    if not head:
        return _unknown(path, "is empty", "copy or export it again")
    if head.startswith(b"\x80") and path.suffix in {".pt", ".pth", ".pkl", ".bin"}:
        return _pytorch(path)
    if all(byte >= 32 or byte in b"\t\n\r\f" for byte in head):
        return _text(path, head.decode(errors="replace").lstrip())
    return _unknown(path, "is no SavedModel, Keras file, frozen graph or .tflite", EXPORT)


def _text(path: Path, start: str) -> BadModel:
    if start.startswith("version https://git-lfs"):
        return _unknown(path, "is a Git LFS pointer, not the file itself", "git lfs pull")
    if start.lower().startswith(("<!doctype", "<html")):
        return _unknown(path, "is a web page: the download went wrong", "download the file itself")
    if start.startswith("node {"):
        return _unknown(path, "is a graph in text form", "tf.io.write_graph(..., as_text=False) writes the binary")
    if start.startswith("{"):
        return _unknown(path, "is a JSON file: a description without weights", EXPORT)
    return _unknown(path, f"is a text file (it begins {start[:30]!r})", EXPORT)


def _is_checkpoint(path: Path) -> bool:
    if not path.is_file():
        return False
    if path.name == "checkpoint" or re.search(r"\.data-\d+-of-\d+$", path.name):
        return True
    with path.open("rb") as file:
        file.seek(-min(8, path.stat().st_size), 2)
        return file.read() == LEVELDB_MAGIC


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(HEAD_BYTES)
    except OSError as error:
        raise _unknown(path, f"cannot be read ({error.strerror})", "check its path") from error


def _pytorch(path: Path) -> BadModel:
    return _unknown(path, "is a PyTorch file", "relens starts from a TensorFlow model: convert the network first")


def _weights_only(path: Path, what: str) -> BadModel:
    return BadModel(
        "RL-SOURCE-002",
        f"{path} {what}: weights without the model they belong to",
        hint='build the model, load these weights into it, then: model.export("my_model")',
    )


def _unknown(path: Path, what: str, hint: str) -> BadModel:
    return BadModel("RL-SOURCE-001", f"{path} {what}", hint=hint)
