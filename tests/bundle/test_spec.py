"""docs/bundle.md says what the code does."""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from relens.bundle import Bundle, archive, golden, labels, manifest
from relens.bundle.bundle import KEPT
from relens.bundle.manifest import Manifest

PAGE = (Path(__file__).parents[2] / "docs/bundle.md").read_text(encoding="utf-8")


def test_the_page_names_every_key_of_the_manifest_and_no_other() -> None:
    section = PAGE.partition("## manifest.json")[2].partition("\n## ")[0]
    rows = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    told = {key for row in rows for key in re.findall(r"`([^`]+)`", row)}
    schema = Manifest.model_json_schema()
    known = {*leaves(schema, schema), "output.decoder"} - {"output"}
    # The rows of a table itself only say whether it may be null.
    assert known == told - {"accuracy", "events", "files"}, "another key is another version of the format"


def leaves(schema: dict[str, Any], whole: dict[str, Any], path: str = "") -> Iterator[str]:
    """The dotted names of all keys, through tables, lists of tables and tables that may be null."""
    for key, value in schema["properties"].items():
        inner = next(
            (part for part in (value, value.get("items", {}), *value.get("anyOf", ())) if "$ref" in part), None
        )
        if inner is None:
            yield path + key
        else:
            yield from leaves(whole["$defs"][inner["$ref"].rpartition("/")[2]], whole, f"{path}{key}.")


@pytest.mark.parametrize(
    "limit",
    [
        f"{archive.MAX_BYTES:,} bytes",
        f"{archive.MAX_ENTRIES} files",
        f"{golden.PNG_MAX_CHUNKS:,} of them",
        f"{golden.MAX_PIXELS:,} pixels",
        f"at\nmost {KEPT}",
        f"N = min(S, {KEPT})",
        f"1 to {manifest.MAX_SIDE}",
        f"1 to {manifest.MAX_THREADS}",
        f"version {manifest.VERSION}\n",
    ],
)
def test_the_page_has_the_limits_of_the_code(limit: str) -> None:
    assert limit in PAGE


def test_the_limits_of_text_are_one_mebibyte() -> None:
    assert PAGE.count("at most 1 MiB") == 2
    assert manifest.MAX_BYTES == labels.MAX_BYTES == 1 << 20


def test_the_page_has_the_constants_of_the_zip() -> None:
    for value in (archive.MADE_BY, archive.FIRST_OF_1980):
        assert f"0x{value:04x}" in PAGE
    assert f"0x{archive.MODE:08X}" in PAGE


def test_other_libraries_read_the_same(bundle: Bundle, bundle_file: Path) -> None:
    with zipfile.ZipFile(bundle_file) as files:
        values = json.loads(files.read("manifest.json"))
        assert values == bundle.manifest.model_dump(mode="json")
        assert files.read("model.tflite") == bundle.model.read_bytes()
        assert tuple(files.read("labels.txt").decode().splitlines()) == bundle.labels
        for item in bundle.golden:
            picture = Image.open(io.BytesIO(files.read(f"golden/{item.name}/frame.png")))
            np.testing.assert_array_equal(np.asarray(picture)[..., ::-1], item.frame)
            for place, expected in enumerate(item.expected.values()):
                stored = np.load(io.BytesIO(files.read(f"golden/{item.name}/output-{place}.npy")))
                np.testing.assert_array_equal(stored, expected, strict=True)
