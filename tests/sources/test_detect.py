import zipfile
from pathlib import Path

import pytest

from relens.errors import BadModel
from relens.sources import detect_kind
from relens.sources.protobuf import fields


def refusal(path: Path) -> BadModel:
    with pytest.raises(BadModel) as caught:
        detect_kind(path)
    return caught.value


def zipped(path: Path, *names: str) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("multi.keras", "Keras"),
        ("multi.h5", "Keras"),
        ("several", "SavedModel"),
        ("first", "SavedModel"),
        ("first.pb", "frozen graph"),
        ("unfrozen.pb", "frozen graph"),
        ("multi.tflite", "TFLite"),
    ],
)
def test_a_kind_is_told_by_content_whatever_the_name(models: Path, tmp_path: Path, name: str, kind: str) -> None:
    assert detect_kind(models / name) == kind
    disguised = tmp_path / "model.bin"
    disguised.symlink_to(models / name)
    assert detect_kind(disguised) == kind


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"", "is empty"),
        (b"hello, this is a note\n", "is a text file (it begins 'hello, this is a note"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a Git LFS pointer"),
        (b"<!DOCTYPE html><html>404</html>", "is a web page"),
        (b'{"format": "layers-model"}', "is a JSON file"),
        (b'node {\n  name: "x"\n}\n', "is a graph in text form"),
        (b"\x1f\x8b\x08\x00rest", "is a gzip archive"),
        (bytes(257) + b"ustar" + bytes(250), "is a tar archive"),
        (bytes(range(256)) * 4, "is no SavedModel, Keras file, frozen graph or .tflite"),
        (b"\x08\x07\x12\x07pytorch\x3a\x02\x0a\x00", "is an ONNX model"),
        (b"PK\x03\x04 and then nothing", "is a damaged zip file"),
    ],
)
def test_what_is_no_model_is_called_by_its_name(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "model.pb"
    path.write_bytes(content)
    error = refusal(path)
    assert error.code == "RL-SOURCE-001"
    assert f"{path} {what}" in error.message
    assert error.hint


def test_a_pytorch_file_is_called_by_its_name(tmp_path: Path) -> None:
    assert "is a PyTorch file" in refusal(zipped(tmp_path / "net.pt", "net/data.pkl", "net/data/0")).message
    (tmp_path / "old.pth").write_bytes(b"\x80\x02\x8a\x0a")
    assert "is a PyTorch file" in refusal(tmp_path / "old.pth").message


def test_other_zip_files_are_refused(tmp_path: Path) -> None:
    assert "is a zip archive" in refusal(zipped(tmp_path / "a.zip", "a/saved_model.pb")).message
    assert refusal(zipped(tmp_path / "weights.npz", "kernel.npy", "bias.npy")).code == "RL-SOURCE-002"


def test_a_checkpoint_is_weights_without_a_model(models: Path) -> None:
    folder = models / "checkpoint_only"
    for path in (folder, folder / "model.ckpt.index", folder / "model.ckpt.data-00000-of-00001"):
        assert refusal(path).code == "RL-SOURCE-002", path


def test_a_folder_one_level_off_gets_the_right_path_as_its_hint(models: Path, tmp_path: Path) -> None:
    (tmp_path / "1").symlink_to(models / "first")
    assert refusal(tmp_path).hint == f"relens convert {tmp_path / '1'}"
    assert refusal(models / "first" / "saved_model.pb").hint == f"give its folder: relens convert {models / 'first'}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert str(tmp_path / "none.h5") in refusal(tmp_path / "none.h5").message


def test_a_cut_off_message_has_no_fields() -> None:
    message = b"\x0a\x03abc\x10\x05"
    assert fields(message) == [(1, b"abc"), (2, None)]
    assert fields(message, limit=1) == [(1, b"a"), (2, None)]
    for end in (1, 2, 3, 4, 6):
        assert fields(message[:end]) == [], message[:end]
