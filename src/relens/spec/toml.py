"""Read `relens.toml`."""

import sys
from pathlib import Path
from typing import Any

from relens.errors import BadConfig
from relens.spec.project import Project
from relens.spec.strict import validate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PATH_KEYS = {"model": ("source", "labels"), "data": ("calibration", "train", "validation", "pictures")}


def load(path: str | Path) -> Project:
    """Read a project file, or the `relens.toml` in a folder.

    Raises:
        BadConfig: RL-CONFIG-001 when it cannot be read or is not TOML, -002 for an unknown key,
            -003 for a wrong value or a path that does not exist.
    """
    path = Path(path).absolute()
    if path.is_dir():
        path = path / "relens.toml"
    values = read_table(path)
    for table, keys in PATH_KEYS.items():
        make_absolute(values.get(table), keys, path)
    for step in _steps(values):
        make_absolute(step, ("student",), path)
    if "path" in values:
        raise BadConfig("RL-CONFIG-002", f"{path}: unknown key `path`", hint="remove it")
    return validate(Project, {**values, "path": path}, where=path)


def read_table(path: Path, hint: str = "relens init MODEL writes a first one") -> dict[str, Any]:
    """Read any TOML file, with errors that name it; `hint` says where one comes from that does not exist."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfig("RL-CONFIG-001", f"{path} does not exist", hint=hint) from None
    except UnicodeDecodeError:
        raise BadConfig(
            "RL-CONFIG-001",
            f"{path} is not a text file",
            hint=f"for a model: relens init {path.name}, then relens build",
        ) from None
    except (OSError, tomllib.TOMLDecodeError) as trouble:
        raise BadConfig("RL-CONFIG-001", f"{path}: {trouble}", hint="repair the file and try again") from None


def _steps(values: dict[str, Any]) -> list[Any]:
    recipe = values.get("recipe")
    steps = recipe.get("steps") if isinstance(recipe, dict) else None
    return steps if isinstance(steps, list) else []


def make_absolute(table: Any, keys: tuple[str, ...], file: Path) -> None:
    """Resolve the paths in a table against its file; what is no table or no path is left for `validate`.

    Raises:
        BadConfig: RL-CONFIG-003 when one does not exist.
    """
    if not isinstance(table, dict):
        return
    for key in keys:
        if not isinstance(table.get(key), str):
            continue
        table[key] = file.parent / Path(table[key]).expanduser()
        if not table[key].exists():
            raise BadConfig("RL-CONFIG-003", f"{file}: `{key}`: {table[key]} does not exist", hint=f"correct `{key}`")
