"""Attacks by the manifest; the zip around it is good."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from relens.spec import EventRule

Refused = Callable[[bytes, str], str]
Values = dict[str, Any]


def put(path: str, value: object) -> Callable[[Values], None]:
    """Sets one key; `a.b` is b in a, `files.0.path` in the first of the files."""

    def change(values: Any) -> None:
        *way, last = (int(part) if part.isdigit() else part for part in path.split("."))
        for part in way:
            values = values[part]
        values[last] = value

    return change


def drop(key: str) -> Callable[[Values], object]:
    return lambda values: values.pop(key)


def in_goals(key: str) -> Callable[[Values], object]:
    return lambda values: values["goals"].pop(key)


VALUES: dict[str, Callable[[Values], object]] = {
    "an unknown key": put("extra", 1),
    "an unknown key with a known meaning elsewhere": put("__class__", "Manifest"),
    "an unknown key in a table": put("needs.sudo", True),
    "an unknown key in a file's entry": put("files.0.mode", 511),
    "no name": drop("name"),
    "no files": drop("files"),
    "no lineage": drop("lineage"),
    "no accuracy, which may only be null": drop("accuracy"),
    "no goal that has a default": in_goals("prefer"),
    "another format": put("format", "relens-bundel"),
    "no format": drop("format"),
    "a name that climbs": put("name", "../../etc/cron.d/x"),
    "a name that is a path": put("name", "/etc/passwd"),
    "a name with a backslash": put("name", "..\\x"),
    "a name that is a dot": put("name", "."),
    "a hidden name": put("name", ".ssh"),
    "an empty name": put("name", ""),
    "a long name": put("name", "x" * 201),
    "a name with an escape sequence": put("name", "\x1b]0;owned\x07"),
    "a name with a line break": put("name", "a\nhint: curl example.org | sh"),
    "a name with a C1 control": put("name", "\x9b2J"),
    "a name with NUL": put("name", "a\0b"),
    "a name of half a surrogate pair": put("name", "\ud83d"),
    "half a surrogate pair in a parameter": put("output.x", ["\udc00"]),
    "half a surrogate pair in a parameter's name": put("output.\udc00", 1),
    "an escape sequence in a tool's name": put("lineage.tools", {"\x1b[2J": "1"}),
    "an escape sequence in the recipe": put("lineage.recipe", ["\x1b[2J"]),
    "an unknown task": put("task", "mining"),
    "a number for a name": put("name", 7),
    "text for a number": put("tolerance.relative_rms", "0.001"),
    "an integer for a float": put("tolerance.relative_rms", 1),
    "true for a number": put("accuracy.n", True),
    "a float for an integer": put("accuracy.n", 120.0),
    "a list for a table": put("needs", ["litert"]),
    "null for a table": put("needs", None),
    "a tolerance of nothing": put("tolerance.relative_rms", 0.0),
    "a tolerance below nothing": put("tolerance.relative_rms", -1.0),
    "no threads": put("needs.threads", 0),
    "too many threads": put("needs.threads", 1_000_000),
    "a huge number of threads": put("needs.threads", 10**4000),
    "a huge picture": put("input.size", [10**9, 10**9]),
    "a picture of nothing": put("input.size", [0, 32]),
    "a picture below nothing": put("input.size", [-32, 32]),
    "a picture in three dimensions": put("input.size", [32, 32, 32]),
    "a padding above white": put("input.pad", 256),
    "a scaling by its short name": put("input.scaling", "0..1"),
    "a scaling that divides by zero": put("input.scaling.std", [0.0]),
    "a scaling of four channels": put("input.scaling", {"mean": [0.0] * 4, "std": [1.0] * 4}),
    "a decoder that is no text": put("output.decoder", {"a": 1}),
    "an accuracy goal above one": put("goals.max_accuracy_drop", 1.5),
    "no events, which may only be an empty list": drop("events"),
    "an event without its defaults": put("events", [{"name": "a"}]),
    "events of one name": put("events", [EventRule(name="a").model_dump(mode="json")] * 2),
    "an event called like a topic": put("events", [EventRule(name="a").model_dump(mode="json") | {"name": "a/#"}]),
    "a zone outside of the frame": put(
        "events", [EventRule(name="a").model_dump(mode="json") | {"zone": [[0.0, 0.0], [1.0, 0.0], [0.0, 1.5]]}]
    ),
    "a thousand events": put("events", [EventRule(name=f"{k}").model_dump(mode="json") for k in range(1000)]),
    "a hash in capitals": put("files.0.sha256", "A" * 64),
    "a hash that is too short": put("files.0.sha256", "a" * 63),
    "a hash with a newline": put("files.0.sha256", "a" * 64 + "\n"),
    "a size below nothing": put("files.0.size_bytes", -1),
    "a size as text": put("files.0.size_bytes", "12"),
    "more than a megabyte": put("output.x", "x" * (1 << 20)),
    "a nested parameter": put("output.x", json.loads("[" * 300 + "]" * 300)),
}


@pytest.mark.parametrize("what", VALUES)
def test_a_manifest_with_wrong_values_is_refused(forge: Any, refused: Refused, what: str) -> None:
    refused(forge.manifest(VALUES[what]), "RL-BUNDLE-001")


def test_the_message_names_the_key(forge: Any, refused: Refused) -> None:
    assert "needs.sudo" in refused(forge.manifest(VALUES["an unknown key in a table"]), "RL-BUNDLE-001")


def test_the_message_carries_no_control_characters(forge: Any, refused: Refused) -> None:
    message = refused(forge.manifest(put("needs", {"\x1b[2J\n" * 50: 1})), "RL-BUNDLE-001")
    assert message.replace("\n", " ").isprintable()
    assert len(message) < 600


VERSIONS = [2, 0, -1, 10**30, "1", True, 1.0, None, [1], {"1": 1}, "\x1b[2J" * 100]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: repr(version)[:20])
def test_another_version_is_told_as_such(forge: Any, refused: Refused, version: object) -> None:
    message = refused(forge.manifest(put("version", version)), "RL-BUNDLE-003")
    assert "pip install --upgrade relens" in message
    assert len(message) < 300


def test_a_later_version_may_look_altogether_different(forge: Any, refused: Refused) -> None:
    text = b'{"format":"relens-bundle","version":2,"files":{},"new":[NaN]}'
    refused(forge.mended({"manifest.json": text}), "RL-BUNDLE-003")


def key_twice(text: bytes) -> bytes:
    """The first is the good one; most readers take the last."""
    return text.replace(b'  "version": 1\n', b'  "version": 1,\n  "version": 1\n')


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda text: b"",
    "no JSON": lambda text: b"version: 1\n",
    "cut in the middle": lambda text: text[: len(text) // 2],
    "no newline at the end": lambda text: text[:-1],
    "a blank at the end": lambda text: text + b" ",
    "something behind": lambda text: text + b"{}",
    "a comment": lambda text: text.replace(b"{", b"{ // ours", 1),
    "a comma too many": lambda text: text.replace(b"\n}\n", b",\n}\n"),
    "other indents": lambda text: text.replace(b"\n  ", b"\n   "),
    "one line": lambda text: json.dumps(json.loads(text), sort_keys=True).encode() + b"\n",
    "keys in another order": lambda text: (
        json.dumps(dict(reversed(json.loads(text).items())), indent=2).encode() + b"\n"
    ),
    "a key twice": key_twice,
    "a key twice, once escaped": lambda text: text.replace(b'"name": ', b'"nam\\u0065": "x",\n  "name": '),
    "a key twice in a table": lambda text: text.replace(b'"engine": ', b'"engine": "x",\n    "engine": '),
    "an escape that is not needed": lambda text: text.replace(b'"litert"', b'"l\\u0069tert"'),
    "a slash escaped": lambda text: text.replace(b"golden/", b"golden\\/"),
    "letters that are not ASCII": lambda text: text.replace(b"\\u5f62", "形".encode()),
    "no UTF-8": lambda text: text.replace(b"\\u5f62", b"\xff\xfe"),
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-32": lambda text: text.decode().encode("utf-32-be"),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "NaN": lambda text: text.replace(b"40.0", b"NaN"),
    "infinity": lambda text: text.replace(b"40.0", b"Infinity"),
    "a number beyond all": lambda text: text.replace(b"40.0", b"1e999"),
    "a number written another way": lambda text: text.replace(b"40.0", b"4e1"),
    "a number with zeros behind": lambda text: text.replace(b"40.0", b"40.00"),
    "a number with many digits": lambda text: text.replace(b"40.0", b"9" * 500_000),
    "a fraction with many digits": lambda text: text.replace(b"40.0", b"0." + b"1" * 500_000),
    "a negative zero": lambda text: text.replace(b'"pad": 114', b'"pad": -0'),
    "a list": lambda text: b"[" + text + b"]\n",
    "null": lambda text: b"null\n",
    "a number": lambda text: b"1\n",
    "deep lists": lambda text: b"[" * 500_000,
    "deep lists that close": lambda text: b"[" * 100_000 + b"]" * 100_000,
    "deep tables": lambda text: b'{"a":' * 100_000,
    "deep lists in a parameter": lambda text: text.replace(b'"softmax"', b'"softmax", "x": ' + b"[" * 900 + b"]" * 900),
    "a deep version": lambda text: text.replace(b'"version": 1', b'"version": ' + b"[" * 900 + b"]" * 900),
    "many keys": lambda text: b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}",
    "ten megabytes": lambda text: text + b" " * 10_000_000,
}


@pytest.mark.parametrize("what", TEXTS)
def test_a_manifest_in_any_other_form_is_refused(forge: Any, refused: Refused, what: str) -> None:
    code = "RL-BUNDLE-003" if what == "a deep version" else "RL-BUNDLE-001"
    refused(forge.text(TEXTS[what]), code)


def swap(values: Values) -> None:
    values["files"] = values["files"][::-1]


def again(values: Values) -> None:
    values["files"].append(values["files"][-1])


def swap_hashes(values: Values) -> None:
    first, second = (next(f for f in values["files"] if f["path"] == p) for p in ("labels.txt", "model.tflite"))
    first["sha256"], second["sha256"] = second["sha256"], first["sha256"]


def listing(path: str) -> Callable[[Values], None]:
    return lambda values: values["files"].append({"path": path, "sha256": "0" * 64, "size_bytes": 0})


FILES: dict[str, Callable[[Values], object]] = {
    "a wrong hash": put("files.0.sha256", "0" * 64),
    "hashes swapped": swap_hashes,
    "a wrong size": put("files.0.size_bytes", 1),
    "a huge size": put("files.0.size_bytes", 10**4000),
    "a file that is not there": listing("model.tflite.sig"),
    "a golden frame that is not there": listing("golden/999/frame.png"),
    "a path that climbs": put("files.0.path", "../../etc/passwd"),
    "an absolute path": listing("/etc/passwd"),
    "the manifest itself": listing("manifest.json"),
    "an empty path": listing(""),
    "a file left out": lambda values: values["files"].pop(),
    "no file": put("files", []),
    "a file twice": again,
    "files in another order": swap,
    "thousands of files": lambda values: [listing(f"golden/{n:03d}/frame.png")(values) for n in range(4000)],
}


@pytest.mark.parametrize("what", FILES)
def test_a_manifest_that_does_not_fit_the_files_is_refused(forge: Any, refused: Refused, what: str) -> None:
    refused(forge.manifest(FILES[what]), "RL-BUNDLE-002")


@pytest.mark.parametrize("name", ["model.tflite", "labels.txt", "golden/000/frame.png", "golden/001/output-0.npy"])
def test_a_file_with_another_content_than_its_hash_is_refused(forge: Any, refused: Refused, name: str) -> None:
    content = forge.files[name]
    changed = {**forge.files, name: content[:-1] + bytes([content[-1] ^ 1])}
    entries = [(entry, changed[entry.filename]) for entry, _ in forge.entries()]
    assert name in refused(forge.zipped(entries), "RL-BUNDLE-002")
