"""Which bundle stands for a model that a function names: AWS's samples, and what a `legacy.toml` says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import Field

from relens.spec import Strict, validate
from relens.spec.toml import read_table

OPTIMIZED = re.compile(r"^(?:mxnet_|tf_|caffe_)?(.+?)(?:_FP(?:16|32))?(?:_FUSED)?$")
SUFFIXES = (".xml", ".bin", ".pb", ".h5", ".keras", ".tflite", ".relens", ".json", ".params")


class Entry(Strict):
    """What a model's name stands for; see `samples.toml`."""

    bundle: str | None = None
    what: str = "as legacy.toml says"
    labels: dict[str, int] = Field(default_factory=dict)
    first: int | None = None


@dataclass(frozen=True)
class Samples:
    """Entries by the name of the model that they stand for."""

    entries: Mapping[str, Entry]
    synonyms: Mapping[str, str]

    @classmethod
    def read(cls, models: Path) -> "Samples":
        """Those that come with relens, and the `legacy.toml` in a folder of models.

        Raises:
            BadConfig: RL-CONFIG-001 to -003 for a `legacy.toml` that cannot be used.
        """
        with resources.as_file(resources.files("relens.legacy").joinpath("samples.toml")) as file:
            ours = read_table(file)
        own = models / "legacy.toml"
        theirs = read_table(own) if own.exists() else {}
        synonyms = {**ours.pop("synonyms"), **_table(theirs.pop("synonyms", {}))}
        entries = {
            name: validate(Entry, _table(values), where=f"{own}: [{name}]")
            for name, values in {**ours, **theirs}.items()
        }
        return cls(entries, synonyms)

    def entry(self, name: str) -> Entry | None:
        """That of a name, as a function says it or without what the optimizer added."""
        return next((self.entries[one] for one in names(name) if one in self.entries), None)


def stem(path: str) -> str:
    """A model's name, out of a path: dots are part of some names."""
    name = path.rstrip("/").rpartition("/")[2]
    for suffix in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def names(name: str) -> list[str]:
    """A name, and the one that it had before it was optimized."""
    match = OPTIMIZED.match(name)
    return list(dict.fromkeys([name, match[1] if match else name]))


def _table(values: Any) -> dict[str, Any]:
    return values if isinstance(values, dict) else {"": values}
