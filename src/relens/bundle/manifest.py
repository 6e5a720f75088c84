"""`manifest.json`, version 1. This module is the only one that reads or writes it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from relens.bundle.refusal import damaged, newer
from relens.spec import EventRules, Goals, InputSpec, OutputSpec, Strict, Task

FORMAT = "relens-bundle"
VERSION = 1
MAX_BYTES = 1 << 20
MAX_SIDE = 1 << 14
MAX_THREADS = 1 << 10
# Names and labels end up on terminals and pages: no line breaks, no escape sequences, nothing UTF-8 cannot carry.
CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
# A name may become that of a file.
NAME = re.compile(r"[^./\\][^/\\]{0,199}")


class FileEntry(Strict):
    """One file of the bundle."""

    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(ge=0)


class Needs(Strict):
    """What the camera must have. `threads` None leaves the choice to the camera."""

    engine: str
    threads: int | None = Field(default=None, ge=1)
    relens: str


class Lineage(Strict):
    """Where the model comes from: hashes of the source and the float graph, and the steps since."""

    source: str
    source_kind: str
    source_sha256: str
    graph_sha256: str
    recipe: tuple[str, ...]
    calibration_sha256: str | None = None
    tools: dict[str, str]


class Accuracy(Strict):
    """What was measured on the workstation, on the engine named in `needs`.

    value, low, high: the metric and its 95 % interval, fractions 0..1. drop: float minus this model, paired, with
    its own interval.
    """

    metric: str
    value: float
    low: float
    high: float
    n: int
    drop: float
    drop_low: float
    drop_high: float


class Tolerance(Strict):
    """How far the camera's outputs may lie from the golden ones.

    relative_rms: root mean square of the difference over that of the expected values, per output.
    """

    relative_rms: float = Field(gt=0)


class Manifest(Strict):
    """All that a camera has to know. Nothing here depends on the hour or the load of the building machine."""

    format: Literal["relens-bundle"] = "relens-bundle"
    version: Literal[1] = 1
    name: str
    task: Task
    scheme: str
    input: InputSpec
    output: dict[str, Any]
    needs: Needs
    goals: Goals
    tolerance: Tolerance
    accuracy: Accuracy | None = None
    events: EventRules = ()
    lineage: Lineage
    files: tuple[FileEntry, ...]

    @field_validator("output")
    @classmethod
    def _is_output(cls, value: dict[str, Any]) -> dict[str, Any]:
        OutputSpec.model_validate(value)
        return value

    @classmethod
    def from_bytes(cls, content: bytes, bundle: Path) -> "Manifest":
        """Read `manifest.json`; `bundle` names the file in errors.

        Raises:
            BadBundle: RL-BUNDLE-001 when it is not canonical JSON, or a key is unknown, missing or has a wrong
                value; RL-BUNDLE-003 when it is of another version.
        """
        if len(content) > MAX_BYTES:
            raise damaged(bundle, f"manifest.json has {len(content)} bytes, and takes {MAX_BYTES} at most")
        try:
            values = json.loads(content.decode("ascii"))
            if not isinstance(values, dict) or values.get("format") != FORMAT:
                raise damaged(bundle, "manifest.json is not a bundle's")
            version = values.get("version")
            if type(version) is not int or version != VERSION:
                raise newer(bundle, version, VERSION)
            manifest = cls.model_validate(values)
            # Written again it must be the same: no key twice or left out, no "1" for 1, no other way to say it.
            same = manifest.to_bytes() == content
            flaw = manifest.flaw() if same else "not in the one form that a bundle takes"
        except ValidationError as trouble:
            first = trouble.errors(include_url=False)[0]
            key = ".".join(str(part) for part in first["loc"])
            raise damaged(bundle, f"manifest.json: {key[:80]!a}: {first['msg']}") from None
        except (ValueError, RecursionError) as trouble:
            raise damaged(bundle, f"manifest.json: {trouble}") from None
        if flaw:
            raise damaged(bundle, f"manifest.json: {flaw}")
        return manifest

    def flaw(self) -> str | None:
        """What no bundle may say although its type is right; None when all is well."""
        try:
            content = self.to_bytes()
        except ValueError as trouble:
            return f"a number that JSON cannot hold ({trouble})"
        if len(content) > MAX_BYTES:
            return f"{len(content)} bytes, and a manifest takes {MAX_BYTES}"
        if not NAME.fullmatch(self.name):
            return f"`name` is {self.name[:80]!a}: 1 to 200 characters without / and \\, not starting with a dot"
        if any(not 1 <= side <= MAX_SIDE for side in self.input.size or ()):
            return f"`input.size` is not within 1 to {MAX_SIDE} pixels"
        if self.needs.threads and self.needs.threads > MAX_THREADS:
            return f"`needs.threads` is more than {MAX_THREADS}"
        bad = next((text for text in _strings(json.loads(content)) if CONTROL.search(text)), None)
        return None if bad is None else f"control characters in {bad[:80]!a}"

    @property
    def output_spec(self) -> OutputSpec:
        """The `[output]` table."""
        return OutputSpec.model_validate(self.output)

    def to_bytes(self) -> bytes:
        """Canonical JSON: ASCII, sorted keys, two spaces, one final newline."""
        return _canonical(self.model_dump(mode="json"))


def _canonical(values: dict[str, Any]) -> bytes:
    return (json.dumps(values, indent=2, sort_keys=True, allow_nan=False) + "\n").encode("ascii")


def _strings(value: object) -> Iterator[str]:
    """Every key and text in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
