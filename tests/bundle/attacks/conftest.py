"""A forge for hostile bundles, and a watched child that opens them.

Each bundle is opened in a process that may not take much memory, and afterwards nothing may be on the disk but the
bundle itself.
"""

import hashlib
import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 2.0


def png(
    width: int, height: int, data: bytes | None = None, kind: bytes = b"\x08\x02\0\0\0", extra: bytes = b""
) -> bytes:
    """A picture; grey lines when no packed data are given. `extra` chunks stand before the data."""
    if data is None:
        packer = zlib.compressobj(1)
        data = b"".join(packer.compress(bytes(3 * width + 1)) for _ in range(height)) + packer.flush()
    header = struct.pack(">2I", width, height) + kind
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@dataclass(frozen=True)
class Forge:
    """Makes bundles out of the files of a good one, with nothing but the standard library."""

    files: Mapping[str, bytes]

    png = staticmethod(png)
    chunk = staticmethod(chunk)

    @property
    def good(self) -> bytes:
        return self.zipped(self.entries())

    def entries(self, **changes: Any) -> list[tuple[zipfile.ZipInfo, bytes]]:
        """The good entries; `changes` are set in the model's header before it is written."""
        entries = [(plain(name), self.files[name]) for name in sorted(self.files)]
        for key, value in changes.items():
            setattr(entries[-1][0], key, value)
        return entries

    def zipped(self, entries: list[tuple[zipfile.ZipInfo, bytes]], comment: bytes = b"") -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.comment = comment
            for entry, content in entries:
                archive.writestr(entry, content)
        return stream.getvalue()

    def mended(self, changes: Mapping[str, bytes | None]) -> bytes:
        """With these files in place of the good ones (None: gone), listed in the manifest with their hashes."""
        files = {name: content for name, content in {**self.files, **changes}.items() if content is not None}
        if "manifest.json" not in changes:
            values = json.loads(self.files["manifest.json"])
            values["files"] = [
                {"path": name, "sha256": hashlib.sha256(files[name]).hexdigest(), "size_bytes": len(files[name])}
                for name in sorted(files)
                if name != "manifest.json"
            ]
            files["manifest.json"] = canonical(values)
        return self.zipped([(plain(name), files[name]) for name in sorted(files)])

    def manifest(self, change: Callable[[dict[str, Any]], object]) -> bytes:
        """With the manifest's values changed in place."""
        values = json.loads(self.files["manifest.json"])
        change(values)
        return self.mended({"manifest.json": canonical(values)})

    def text(self, change: Callable[[bytes], bytes]) -> bytes:
        """With the manifest's text changed; it must really change."""
        before = self.files["manifest.json"]
        after = change(before)
        assert after != before
        return self.mended({"manifest.json": after})


def plain(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
    entry.filename = name  # the constructor would cut at NUL
    entry.external_attr = 0o100644 << 16
    return entry


def canonical(values: object) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True) + "\n").encode()


@pytest.fixture(scope="session")
def forge(bundle_file: Path) -> Forge:
    with zipfile.ZipFile(bundle_file) as archive:
        forge = Forge({name: archive.read(name) for name in archive.namelist()})
    assert forge.good == forge.mended({}) == bundle_file.read_bytes()
    return forge


@pytest.fixture(scope="session")
def opener(
    bundle_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str, Path], dict[str, Any]]]:
    """A child with 64 MiB of room that opens one bundle after another."""
    log = tmp_path_factory.mktemp("opener")
    command = [sys.executable, str(Path(__file__).with_name("opener.py")), str(bundle_file), str(log)]
    with (log / "stderr").open("wb") as errors:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
    assert child.stdin is not None
    assert child.stdout is not None
    ask, answer = child.stdin, child.stdout

    def open_there(bundle: str, folder: Path) -> dict[str, Any]:
        ask.write(json.dumps([bundle, str(folder)]) + "\n")
        ask.flush()
        line = answer.readline()
        assert line, f"the child died:\n{(log / 'stderr').read_text(errors='replace')[-2000:]}"
        result: dict[str, Any] = json.loads(line)
        return result

    with child:
        yield open_there
        ask.close()


@pytest.fixture
def refused(opener: Callable[[str, Path], dict[str, Any]], tmp_path: Path) -> Callable[[bytes, str], str]:
    """Opens these bytes, which must be refused with this code; gives the message."""

    def refused(content: bytes, code: str) -> str:
        bundle, folder = tmp_path / "a.relens", tmp_path / "in" / "unpacked"
        folder.mkdir(parents=True)
        bundle.write_bytes(content)
        result = opener(str(bundle), folder)
        assert code == result["code"], result
        assert result["seconds"] < PATIENCE_S, result
        assert result["message"].splitlines()[-1].startswith("hint: "), result
        assert [bundle, folder.parent, folder] == sorted(tmp_path.rglob("*"))
        assert content == bundle.read_bytes()
        return str(result["message"])

    return refused
