"""Damage by chance: a bundle with any byte changed, cut or moved is refused, and never by a stray exception."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relens.bundle import open_bundle
from relens.errors import BadBundle, BadModel

Try = Callable[[bytes], None]
MANY = settings(
    max_examples=250, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


@pytest.fixture(scope="module")
def attempt(folder: Path) -> Try:
    """Open these bytes."""

    def attempt(content: bytes) -> None:
        (folder / "a.relens").write_bytes(content)
        unpacked = folder / "unpacked"
        unpacked.mkdir(exist_ok=True)
        try:
            open_bundle(folder / "a.relens", unpacked)
        except BaseException:
            assert list(unpacked.iterdir()) == []
            raise
        for file in unpacked.iterdir():
            file.unlink()

    return attempt


@pytest.fixture(scope="module")
def whole(bundle_file: Path) -> bytes:
    return bundle_file.read_bytes()


@MANY
@given(data=st.data())
def test_any_changed_byte_is_noticed(attempt: Try, whole: bytes, data: Any) -> None:
    place = data.draw(st.integers(0, len(whole) - 1), "place")
    changed = bytearray(whole)
    changed[place] ^= data.draw(st.integers(1, 255), "flip")
    with pytest.raises((BadBundle, BadModel)):
        attempt(bytes(changed))


def test_any_changed_byte_of_the_headers_is_noticed(attempt: Try, whole: bytes) -> None:
    """The first header, and everything behind the last file."""
    for place in (*range(48), *range(whole.index(b"PK\1\2"), len(whole))):
        with pytest.raises(BadBundle):
            attempt(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


@MANY
@given(data=st.data())
def test_any_cut_is_noticed(attempt: Try, whole: bytes, data: Any) -> None:
    with pytest.raises(BadBundle):
        attempt(whole[: data.draw(st.integers(0, len(whole) - 1), "length")])


@MANY
@given(data=st.data())
def test_any_part_lost_doubled_or_inserted_is_noticed(attempt: Try, whole: bytes, data: Any) -> None:
    start = data.draw(st.integers(0, len(whole)), "start")
    end = data.draw(st.integers(0, len(whole)), "end")
    filling = data.draw(st.sampled_from([b"", b"\0", b"PK\3\4", b"PK\5\6" + bytes(18)]) | st.binary(max_size=8))
    changed = whole[:start] + filling + whole[end:]
    if changed != whole:
        with pytest.raises(BadBundle):
            attempt(changed)


@MANY
@given(data=st.data())
def test_damage_with_mended_hashes_opens_or_is_refused(attempt: Try, whole: bytes, data: Any) -> None:
    """As an enemy would do it: the zip, the sizes and the hashes are right, what is inside is not."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    name = data.draw(st.sampled_from(sorted(files)), "file")
    content = bytearray(files[name])
    for _ in range(data.draw(st.integers(1, 3), "times")):
        # What can be misread is mostly at the front.
        place = data.draw(st.integers(0, min(len(content), 400) - 1) | st.integers(0, len(content) - 1), "place")
        content[place] = data.draw(st.integers(0, 255), "value")
    del content[data.draw(st.just(len(content)) | st.integers(0, len(content)), "length") :]
    with suppress(BadBundle, BadModel):
        attempt(mended({**files, name: bytes(content)}))


def mended(files: dict[str, bytes]) -> bytes:
    with suppress(ValueError):
        manifest = json.loads(files["manifest.json"])
        for entry in manifest["files"]:
            content = files.get(entry["path"], b"")
            entry.update(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))
        files["manifest.json"] = (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, files[name])
    return stream.getvalue()


@pytest.mark.parametrize("what", ["missing", "a folder", "a pipe", "a device", "not a name"])
def test_what_is_no_file_is_refused(what: str, tmp_path: Path) -> None:
    path = {"a device": Path("/dev/zero"), "not a name": Path("a\0b")}.get(what, tmp_path / "a.relens")
    if what == "a folder":
        path.mkdir()
    if what == "a pipe":
        os.mkfifo(path)
    with pytest.raises(BadBundle) as refused:
        open_bundle(path, tmp_path)
    assert refused.value.code == "RL-BUNDLE-001"
