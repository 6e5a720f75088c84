"""Attacks by the zip around the files: what is inside is good, or would be."""

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Refused = Callable[[bytes, str], str]

NAMES = [
    "../model.tflite",
    "../../../../../../tmp/model.tflite",
    "golden/../../model.tflite",
    "golden/000/../../model.tflite",
    "./model.tflite",
    "/model.tflite",
    "/etc/passwd",
    "//server/share/model.tflite",
    "C:\\model.tflite",
    "C:model.tflite",
    "\\model.tflite",
    "..\\model.tflite",
    "golden\\000\\frame.png",
    "model.tflite\0",
    "model.tflite\0.png",
    "model.tflite\n",
    " model.tflite",
    "model.tflite ",
    "model.tflite.",
    "model.tflite:stream",
    "model.tflite/",
    "golden/",
    "golden/000/",
    "golden//000/frame.png",
    "golden/000/frame.png/x",
    "Model.tflite",
    "MODEL.TFLITE",
    "manifest.JSON",
    "Golden/000/frame.png",
    "\uff4dodel.tflite",  # fullwidth m
    "mod\u0435l.tflite",  # Cyrillic e
    "model.tflit\u0435\u0301",
    "model\u2024tflite",  # one dot leader
    "golden\u2215000/frame.png",  # division slash
    "golden/\u0660\u0660\u0662/frame.png",  # Arabic-Indic digits
    "\u202eetilft.ledom",  # right to left
    "golden/2/frame.png",
    "golden/0002/frame.png",
    "golden/002/frame.PNG",
    "golden/002/output-.npy",
    "golden/002/output-0000.npy",
    "golden/002/output--1.npy",
    "",
    "NUL",
    "x" * 60_000,
    "report.html",
]


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:40]))
def test_a_name_that_is_none_of_ours_is_refused(forge: Any, refused: Refused, name: str) -> None:
    refused(forge.mended({name: b"x"}), "RL-BUNDLE-001")


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:40]))
def test_a_model_under_such_a_name_is_refused(forge: Any, refused: Refused, name: str) -> None:
    refused(forge.mended({"model.tflite": None, name: forge.files["model.tflite"]}), "RL-BUNDLE-001")


def test_an_absolute_path_into_a_real_folder_writes_nothing(forge: Any, refused: Refused, tmp_path: Path) -> None:
    refused(forge.mended({f"{tmp_path}/in/planted": b"x"}), "RL-BUNDLE-001")


MODES = {
    "symbolic link": stat.S_IFLNK | 0o777,
    "character device": stat.S_IFCHR | 0o666,
    "block device": stat.S_IFBLK | 0o666,
    "pipe": stat.S_IFIFO | 0o644,
    "socket": stat.S_IFSOCK | 0o644,
    "folder": stat.S_IFDIR | 0o755,
    "set user id": stat.S_IFREG | stat.S_ISUID | 0o755,
    "executable": stat.S_IFREG | 0o755,
    "no type": 0o644,
    "nothing": 0,
}


@pytest.mark.parametrize("kind", MODES)
def test_an_entry_that_is_no_plain_file_is_refused(forge: Any, refused: Refused, kind: str) -> None:
    refused(forge.zipped(forge.entries(external_attr=MODES[kind] << 16)), "RL-BUNDLE-001")


def test_a_link_that_points_out_is_refused(forge: Any, refused: Refused) -> None:
    entries = forge.entries(external_attr=(stat.S_IFLNK | 0o777) << 16)
    refused(forge.zipped([*entries[:-1], (entries[-1][0], b"/etc/passwd")]), "RL-BUNDLE-001")


HEADERS: dict[str, dict[str, Any]] = {
    "folder by the DOS attribute": {"external_attr": 0o100644 << 16 | 0x10},
    "deflated": {"compress_type": zipfile.ZIP_DEFLATED},
    "bzip2": {"compress_type": zipfile.ZIP_BZIP2},
    "lzma": {"compress_type": zipfile.ZIP_LZMA},
    "dated": {"date_time": (2026, 1, 2, 3, 4, 6)},
    "made by DOS": {"create_system": 0},
    "commented": {"comment": b"hello"},
    "extra field": {"extra": struct.pack("<HH4s", 0x5855, 4, b"user")},
    "internal attributes": {"internal_attr": 1},
}


@pytest.mark.parametrize("what", HEADERS)
def test_a_header_with_anything_of_its_own_is_refused(forge: Any, refused: Refused, what: str) -> None:
    refused(forge.zipped(forge.entries(**HEADERS[what])), "RL-BUNDLE-001")


LOCAL = {
    "version": 4,
    "flags": 6,
    "method": 8,
    "time": 10,
    "date": 12,
    "crc": 14,
    "packed": 18,
    "size": 22,
    "extra": 28,
}


@pytest.mark.parametrize("field", LOCAL)
def test_a_local_header_that_says_something_else_than_the_directory_is_refused(
    forge: Any, refused: Refused, field: str
) -> None:
    content = bytearray(forge.good)
    content[LOCAL[field]] ^= 1
    refused(bytes(content), "RL-BUNDLE-001")


def test_a_local_name_that_differs_from_the_directory_is_refused(forge: Any, refused: Refused) -> None:
    content = forge.good
    place = content.rindex(b"labels.txt")
    refused(content[:place] + b"labels.tXt" + content[place + 10 :], "RL-BUNDLE-001")


@pytest.mark.parametrize("places", [(6,), (8,), (6, 8)], ids=["local", "directory", "both"])
@pytest.mark.parametrize("flag", [0, 3, 5, 6, 11, 13], ids=lambda bit: f"flag {bit}")
def test_an_encrypted_or_streamed_entry_is_refused(
    forge: Any, refused: Refused, places: tuple[int, ...], flag: int
) -> None:
    content = bytearray(forge.good)
    for place in places:
        start = 0 if place == 6 else content.index(b"PK\1\2")
        content[start + place + flag // 8] |= 1 << flag % 8
    refused(bytes(content), "RL-BUNDLE-001")


def twice(forge: Any) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of what is wanted here
        return forge.zipped([*forge.entries(), forge.entries()[-1]])  # type: ignore[no-any-return]


def deflated_bomb(forge: Any) -> bytes:
    """200 MB of zeros in 200 kB, under a name of ours."""
    entries = forge.entries(compress_type=zipfile.ZIP_DEFLATED)
    return forge.zipped([*entries[:-1], (entries[-1][0], bytes(200_000_000))])  # type: ignore[no-any-return]


def overlapping(forge: Any) -> bytes:
    """One megabyte of data that 1000 entries of the directory share."""
    data = bytes(1_000_000)
    entry = plain("golden/000/output-0.npy", data)
    local = entry.FileHeader() + data
    names = [f"golden/{n // 10:03d}/output-{n % 10}.npy" for n in range(1000)]
    return closed(local, [directory(plain(name, data), 0) for name in names])


def nested(forge: Any) -> bytes:
    """Each entry's data holds the local headers of all that follow, as in the 10 MB to 281 TB bomb."""
    local, entries = b"", []
    for n in reversed(range(200)):
        entry = plain(f"golden/{n:03d}/output-0.npy", local)
        local = entry.FileHeader() + local
        entries.append(entry)
    offsets = [len(entry.FileHeader()) * place for place, entry in enumerate(reversed(entries))]
    return closed(local, [directory(e, o) for e, o in zip(reversed(entries), offsets, strict=True)])


def many(forge: Any) -> bytes:
    """60,000 empty entries under names of ours."""
    names = [f"golden/{n // 100:03d}/output-{n % 100}.npy" for n in range(60_000)]
    local = b"".join(plain(name, b"").FileHeader() for name in names)
    return closed(local, [directory(plain(name, b""), 0) for name in names])


def huge(forge: Any) -> bytes:
    """Every size field says 4 GiB less two bytes."""
    content = bytearray(forge.good)
    for signature, at in ((b"PK\3\4", 18), (b"PK\1\2", 20)):
        start = content.index(signature)
        content[start + at : start + at + 8] = struct.pack("<2I", 0xFFFFFFFE, 0xFFFFFFFE)
    return bytes(content)


def huge_zip64(forge: Any) -> bytes:
    """The same with an extra field that says 2**60."""
    extra = struct.pack("<2H2Q", 1, 16, 1 << 60, 1 << 60)
    header = struct.pack("<4s5H3I2H", b"PK\3\4", 45, 0, 0, 0, 33, 0, 0xFFFFFFFF, 0xFFFFFFFF, 12, len(extra))
    return header + b"model.tflite" + extra + bytes(forge.good)


def plain(name: str, data: bytes) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o100644 << 16
    entry.file_size = entry.compress_size = len(data)
    entry.CRC = zlib.crc32(data)
    return entry


def directory(entry: zipfile.ZipInfo, offset: int) -> bytes:
    shared = entry.FileHeader()[4:30]
    return (
        b"PK\1\2\x14\3" + shared + struct.pack("<3H2I", 0, 0, 0, entry.external_attr, offset) + entry.filename.encode()
    )


def closed(local: bytes, entries: list[bytes]) -> bytes:
    size = sum(map(len, entries))
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, len(entries), len(entries), size, len(local), 0)
    return local + b"".join(entries) + end


def wrong_crc(forge: Any) -> bytes:
    """The same wrong one in both headers."""
    content = bytearray(forge.good)
    content[14] ^= 1
    content[content.index(b"PK\1\2") + 16] ^= 1
    return bytes(content)


def with_gap(forge: Any) -> bytes:
    """A hole between two entries that both offsets jump over."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for entry, content in forge.entries():
            archive.writestr(entry, content)
            stream.write(b"hidden")
            archive.start_dir = stream.tell()
    return stream.getvalue()


def behind_a_script(forge: Any) -> bytes:
    """Runs as a program and opens as a zip: all offsets count the script."""
    stream = io.BytesIO(b"#!/bin/sh\necho owned\nexit\n")
    with zipfile.ZipFile(stream, "a") as archive:
        for entry, content in forge.entries():
            archive.writestr(entry, content)
    return stream.getvalue()


def end_field(at: int) -> Callable[[Any], bytes]:
    def change(forge: Any) -> bytes:
        content = bytearray(forge.good)
        content[len(content) - 22 + at] ^= 1
        return bytes(content)

    return change


SHAPES: dict[str, Callable[[Any], bytes]] = {
    "nothing": lambda forge: b"",
    "a few bytes": lambda forge: b"PK",
    "a local header cut short": lambda forge: b"PK\3\4" + bytes(20),
    "an empty zip": lambda forge: closed(b"", []),
    "text": lambda forge: b"<html>404 not found</html>" * 100,
    "zeros": lambda forge: bytes(100_000),
    "a model": lambda forge: forge.files["model.tflite"],
    "a deflated bomb": deflated_bomb,
    "entries that share their data": overlapping,
    "entries inside of entries": nested,
    "many entries": many,
    "huge sizes": huge,
    "huge sizes in zip64": huge_zip64,
    "a name twice": twice,
    "a wrong CRC": wrong_crc,
    "a hole between entries": with_gap,
    "a script in front": behind_a_script,
    "a byte in front": lambda forge: b"\0" + forge.good,
    "a GIF in front": lambda forge: b"GIF89a" + bytes(50) + forge.good,
    "a byte behind": lambda forge: forge.good + b"\0",
    "a newline behind": lambda forge: forge.good + b"\n",
    "itself behind": lambda forge: forge.good + forge.good,
    "an empty zip behind": lambda forge: forge.good + closed(b"", []),
    "a comment": lambda forge: forge.zipped(forge.entries(), comment=b"signed by nobody"),
    "a comment that holds an end record": lambda forge: forge.zipped(forge.entries(), comment=closed(b"", [])),
    "another order": lambda forge: forge.zipped(forge.entries()[::-1]),
    "no directory": lambda forge: forge.good[: forge.good.index(b"PK\1\2")],
    "no end record": lambda forge: forge.good[:-22],
    "no manifest": lambda forge: forge.zipped(
        [pair for pair in forge.entries() if pair[0].filename != "manifest.json"]
    ),
    "no model": lambda forge: forge.zipped(forge.entries()[:-1]),
    "only a manifest": lambda forge: forge.zipped([p for p in forge.entries() if p[0].filename == "manifest.json"]),
    "another disk in the end record": end_field(4),
    "another count in the end record": end_field(8),
    "another offset in the end record": end_field(16),
    "a comment's length without a comment": end_field(20),
    **{
        f"cut at {percent} %": lambda forge, p=percent: forge.good[: len(forge.good) * p // 100]
        for percent in range(5, 100, 19)
    },
    **{f"cut by {count}": lambda forge, c=count: forge.good[:-c] for count in (1, 21, 22, 23, 100)},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_file_that_is_not_laid_out_as_a_bundle_is_refused(forge: Any, refused: Refused, shape: str) -> None:
    refused(SHAPES[shape](forge), "RL-BUNDLE-001")


def test_a_file_of_many_gigabytes_is_refused_unread(refused: Refused, opener: Any, tmp_path: Path) -> None:
    bundle = tmp_path / "sparse.relens"
    with bundle.open("wb") as file:
        file.truncate((1 << 31) + 1)
    result = opener(str(bundle), tmp_path)
    bundle.unlink()
    assert (result["code"], result["seconds"] < 0.5) == ("RL-BUNDLE-001", True), result
