"""Attacks by the model, the labels and the golden frames; the zip, the manifest and all hashes are good."""

import io
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

Refused = Callable[[bytes, str], str]
Make = Callable[[Any], bytes]


class Planted:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "owned")


def saved(values: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, values, version)
    return stream.getvalue()


def headed(shape: str, data: bytes = b"", descr: str = "'<f4'", order: str = "False") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode() + data


def compressed_npz(forge: Any) -> bytes:
    """A hundred megabytes of zeros, packed."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", bytes(100_000_000))
    return stream.getvalue()


THREE = np.array([0.1, 0.2, 0.7], np.float32)
VALUES: dict[str, Make] = {
    "nothing": lambda forge: b"",
    "no header": lambda forge: THREE.tobytes(),
    "a header only half there": lambda forge: saved(THREE)[:64],
    "a last value only half there": lambda forge: saved(THREE)[:-2],
    "a value missing": lambda forge: saved(THREE)[:-4],
    "a value too many": lambda forge: saved(THREE) + bytes(4),
    "values behind the limit": lambda forge: saved(np.zeros(8193, np.float32)),
    "four megabytes": lambda forge: saved(np.zeros(1_000_000, np.float32)),
    "a huge shape": lambda forge: headed("(1000000000000,)", bytes(12)),
    "a shape beyond 64 bits": lambda forge: headed(f"({10**30},)", bytes(12)),
    "a shape below nothing": lambda forge: headed("(-3,)", bytes(12)),
    "two dimensions": lambda forge: saved(THREE[None]),
    "no dimension": lambda forge: saved(np.array(1, np.float32)),
    "Fortran's order": lambda forge: headed("(3,)", THREE.tobytes(), order="True"),
    "double precision": lambda forge: saved(THREE.astype("<f8")),
    "half precision": lambda forge: saved(THREE.astype("<f2")),
    "integers": lambda forge: saved(THREE.astype("<i4")),
    "the other byte order": lambda forge: saved(THREE.astype(">f4")),
    "records": lambda forge: saved(np.zeros(3, [("a", "<f4")])),
    "another version": lambda forge: saved(THREE, (2, 0)),
    "a code for a header": lambda forge: headed("__import__('os').system('true')", THREE.tobytes()),
    "a deep header": lambda forge: headed("(" * 60 + "3" + ")" * 60, THREE.tobytes()),
    "a header with other blanks": lambda forge: saved(THREE).replace(b"': ", b"' :"),
    "NaN": lambda forge: saved(np.array([0, np.nan, 1], np.float32)),
    "a NaN with a payload": lambda forge: headed("(1,)", struct.pack("<I", 0x7FC12345)),
    "infinity": lambda forge: saved(np.array([0, -np.inf, 1], np.float32)),
    "an archive of arrays": compressed_npz,
    "a bare pickle": lambda forge: pickle.dumps([1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("what", VALUES)
def test_values_that_are_no_plain_vector_are_refused(forge: Any, refused: Refused, what: str) -> None:
    message = refused(forge.mended({"golden/001/output-0.npy": VALUES[what](forge)}), "RL-BUNDLE-001")
    assert "golden/001/output-0.npy" in message


@pytest.mark.parametrize("whole", [True, False], ids=["in an array", "alone"])
def test_no_pickle_is_run(forge: Any, refused: Refused, tmp_path: Path, whole: bool) -> None:
    trap = Planted(tmp_path / "owned")
    content = pickle.dumps(trap)
    if whole:
        stream = io.BytesIO()
        np.save(stream, np.array([trap, trap, trap], object), allow_pickle=True)
        content = stream.getvalue()
    refused(forge.mended({"golden/000/output-0.npy": content}), "RL-BUNDLE-001")


def encoded(suffix: str, picture: np.ndarray) -> bytes:
    done, content = cv2.imencode(suffix, picture)
    assert done
    return bytes(content.tobytes())


GREY = np.full((9, 7, 3), 99, np.uint8)
PICTURES: dict[str, Make] = {
    "nothing": lambda forge: b"",
    "a signature alone": lambda forge: b"\x89PNG\r\n\x1a\n",
    "text": lambda forge: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a JPEG": lambda forge: encoded(".jpg", GREY),
    "a WebP": lambda forge: encoded(".webp", GREY),
    "a BMP": lambda forge: encoded(".bmp", GREY),
    "a TIFF": lambda forge: encoded(".tiff", GREY),
    "grey levels": lambda forge: encoded(".png", GREY[..., 0]),
    "an alpha channel": lambda forge: encoded(".png", np.zeros((9, 7, 4), np.uint8)),
    "16 bits": lambda forge: encoded(".png", GREY.astype(np.uint16)),
    "a palette": lambda forge: forge.png(
        8, 8, zlib.compress(bytes(72)), b"\x08\x03\0\0\0", forge.chunk(b"PLTE", bytes(768))
    ),
    "interlaced": lambda forge: forge.png(8, 8, zlib.compress(bytes(3000)), b"\x08\x02\0\0\1"),
    "a bomb of 70 million pixels": lambda forge: forge.png(10_000, 7_000),
    "a header of 4 billion by 4 billion": lambda forge: forge.png(0xFFFFFFFF, 0xFFFFFFFF, zlib.compress(bytes(100))),
    "a header of 2 billion by 1": lambda forge: forge.png(0x7FFFFFFF, 1, zlib.compress(bytes(100))),
    "a header of 8000 by 8000 and no data": lambda forge: forge.png(8000, 8000, zlib.compress(b"")),
    "no width": lambda forge: forge.png(0, 8, zlib.compress(bytes(100))),
    "no height": lambda forge: forge.png(8, 0, zlib.compress(bytes(100))),
    "data that are not packed": lambda forge: forge.png(8, 8, bytes(200)),
    "a filter that is none": lambda forge: forge.png(8, 8, zlib.compress(b"\x09" * 200)),
    "a bomb of text": lambda forge: forge.png(
        8, 8, extra=forge.chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))
    ),
    "a bomb of a colour profile": lambda forge: forge.png(
        8, 8, extra=forge.chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000)))
    ),
    "a rotation": lambda forge: forge.png(
        8, 4, extra=forge.chunk(b"eXIf", b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0")
    ),
    "a gamma": lambda forge: forge.png(8, 8, extra=forge.chunk(b"gAMA", struct.pack(">I", 1))),
    "a transparent colour": lambda forge: forge.png(8, 8, extra=forge.chunk(b"tRNS", bytes(6))),
    "an animation": lambda forge: forge.png(8, 8, extra=forge.chunk(b"acTL", struct.pack(">2I", 1_000_000, 0))),
    "two headers": lambda forge: forge.png(8, 8, extra=forge.chunk(b"IHDR", struct.pack(">2I5B", 9, 9, 8, 2, 0, 0, 0))),
    "a longer header": lambda forge: forge.png(8, 8, kind=b"\x08\x02\0\0\0\0"),
    "a chunk longer than the file": lambda forge: forge.png(8, 8, extra=b"\xff\xff\xff\xffIDATx"),
    "a chunk that ends with the file": lambda forge: forge.png(8, 8)[:-12] + struct.pack(">I", 5) + b"IDAThello",
    "a million chunks": lambda forge: forge.png(8, 8, extra=forge.chunk(b"IDAT", b"") * 1_000_000),
    "a wrong CRC": lambda forge: forge.png(8, 8)[:-16] + b"\0\0\0\0" + forge.png(8, 8)[-12:],
    "no end": lambda forge: forge.png(8, 8)[:-12],
    "a byte behind": lambda forge: forge.png(8, 8) + b"\0",
    "a zip behind": lambda forge: forge.png(8, 8) + forge.good,
    "a second picture behind": lambda forge: forge.png(8, 8) + forge.png(8, 8),
    "cut in the middle": lambda forge: forge.files["golden/000/frame.png"][:2000],
}


@pytest.mark.parametrize("what", PICTURES)
def test_a_frame_that_is_no_plain_picture_is_refused(forge: Any, refused: Refused, what: str) -> None:
    message = refused(forge.mended({"golden/000/frame.png": PICTURES[what](forge)}), "RL-BUNDLE-001")
    assert "golden" in message


def test_frames_that_are_too_large_only_together_are_refused(forge: Any, refused: Refused) -> None:
    picture = forge.png(8000, 4200, zlib.compress(bytes(100)))
    frames = {f"golden/{number:03d}/frame.png": picture for number in range(2)}
    assert "pixels" in refused(forge.mended(frames), "RL-BUNDLE-001")


SETS: dict[str, Callable[[Any], dict[str, bytes | None]]] = {
    "no labels": lambda forge: {"labels.txt": None},
    "no frame": lambda forge: {"golden/000/frame.png": None},
    "no values": lambda forge: {"golden/001/output-0.npy": None},
    "values of an output too many": lambda forge: {"golden/001/output-1.npy": forge.files["golden/001/output-0.npy"]},
    "values without a frame": lambda forge: {"golden/002/output-0.npy": forge.files["golden/001/output-0.npy"]},
    "a frame without values": lambda forge: {"golden/002/frame.png": forge.files["golden/001/frame.png"]},
    "a gap in the numbers": lambda forge: {
        "golden/001/frame.png": None,
        "golden/001/output-0.npy": None,
        "golden/002/frame.png": forge.files["golden/001/frame.png"],
        "golden/002/output-0.npy": forge.files["golden/001/output-0.npy"],
    },
    "an output written another way": lambda forge: {
        "golden/001/output-0.npy": None,
        "golden/001/output-00.npy": forge.files["golden/001/output-0.npy"],
    },
}


@pytest.mark.parametrize("what", SETS)
def test_golden_frames_that_do_not_fit_the_model_are_refused(forge: Any, refused: Refused, what: str) -> None:
    refused(forge.mended(SETS[what](forge)), "RL-BUNDLE-002")


LABELS = {
    "Latin-1": "Löwe\n".encode("latin-1"),
    "UTF-16": "lion\n".encode("utf-16"),
    "a surrogate": b"\xed\xa0\x80\n",
    "an overlong form": b"\xc0\xaf\n",
    "cut inside a letter": "lion\nL\u00f6we".encode()[:-3] + b"\n",
    "no newline at the end": b"lion",
    "Windows' line ends": b"lion\r\ntiger\r\n",
    "an escape sequence": b"\x1b[2Jlion\n",
    "a bell in C1": "\u0085\n".encode(),
    "a line separator": "lion\u2028tiger\n".encode(),
    "NUL": b"lion\0\n",
    "more than a megabyte": b"lion\n" * 250_000,
    "ten million empty ones": b"\n" * 10_000_000,
}


@pytest.mark.parametrize("what", LABELS)
def test_labels_that_are_not_lines_of_text_are_refused(forge: Any, refused: Refused, what: str) -> None:
    assert "labels.txt" in refused(forge.mended({"labels.txt": LABELS[what]}), "RL-BUNDLE-001")


MODELS: dict[str, tuple[Make, str]] = {
    "nothing": (lambda forge: b"", "RL-GRAPH-001"),
    "text": (lambda forge: b"not a model" * 100, "RL-GRAPH-001"),
    "a program": (lambda forge: b"\x7fELF" + bytes(1000), "RL-GRAPH-001"),
    "the identifier alone": (lambda forge: bytes(4) + b"TFL3", "RL-GRAPH-002"),
    "the identifier and noise": (
        lambda forge: struct.pack("<I", 20) + b"TFL3" + np.random.default_rng(1).bytes(5000),
        "RL-GRAPH-002",
    ),
    "half a model": (lambda forge: forge.files["model.tflite"][:20_000], "RL-GRAPH-002"),
    "lengths beyond the file": (
        lambda forge: forge.files["model.tflite"][:8] + b"\xff\xff\xff\x7f" * 500 + forge.files["model.tflite"][2008:],
        "RL-GRAPH-002",
    ),
}


@pytest.mark.parametrize("what", MODELS)
def test_a_model_that_is_garbage_is_refused(forge: Any, refused: Refused, what: str) -> None:
    make, code = MODELS[what]
    assert "model.tflite" in refused(forge.mended({"model.tflite": make(forge)}), code)
