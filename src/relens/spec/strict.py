"""Strict settings: unknown keys are refused with "did you mean", wrong values name their key."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from relens.errors import BadConfig


class Strict(BaseModel):
    """A frozen table of settings that knows every one of its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


Settings = TypeVar("Settings", bound=BaseModel)


def validate(schema: type[Settings], values: dict[str, Any], *, where: str | Path) -> Settings:
    """Read `values` as `schema`.

    Args:
        schema: the table to read.
        values: keys and values as they stand in the file.
        where: file (and table) named in the error.

    Raises:
        BadConfig: RL-CONFIG-002 for an unknown key, RL-CONFIG-003 for a missing key or a wrong value.
    """
    try:
        return schema.model_validate(values)
    except ValidationError as trouble:
        first = trouble.errors(include_url=False)[0]
        path = tuple(str(part) for part in first["loc"])
        key = ".".join(path)
        if first["type"] == "extra_forbidden":
            known = _known_keys(schema, path[:-1])
            near = get_close_matches(path[-1], known, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(known)}"
            raise BadConfig("RL-CONFIG-002", f"{where}: unknown key `{key}`", hint=hint) from None
        raise BadConfig(
            "RL-CONFIG-003",
            f"{where}: `{key}`: {_plain(first['msg'])} (found: {_shown(first.get('input'))})",
            hint=f"correct `{key}` in {where}",
        ) from None


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ")


def _shown(value: Any) -> str:
    """A wrong value, as far as it may be seen: addresses hold passwords and tokens."""
    if isinstance(value, dict):
        return f"a table with {', '.join(map(str, value)) or 'nothing'}"
    if isinstance(value, str) and "://" in value:
        return f"{value.partition('://')[0]}://..."
    return f"{value!r:.80}"


def _known_keys(schema: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    for part in path:
        if part not in schema.model_fields:
            break
        inner = _table_in(schema.model_fields[part].annotation)
        if inner is None:
            break
        schema = inner
    return sorted(schema.model_fields)


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        arguments = arguments[:1]
    return next((table for table in map(_table_in, arguments) if table), None)
