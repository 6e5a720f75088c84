"""The inputs of a source model with every size fixed, and which of its outputs to keep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from relens.errors import BadModel

PLAIN_TYPES = frozenset({"bool", *(np.dtype(code).name for code in np.typecodes["AllInteger"] + "efd")})

Sizes = Sequence[int | None]


@dataclass(frozen=True)
class Port:
    """An input: its name, its shape with a batch of 1, and numpy's name of its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class OpenPort:
    """An input as the source has it: None stands for an open size, or for an open rank."""

    name: str
    shape: Sizes | None
    dtype: str


def fixed_ports(inputs: Sequence[OpenPort], wanted: Mapping[str, tuple[int, ...]] | None) -> tuple[Port, ...]:
    """Inputs with their open sizes fixed: the batch to 1, others as wanted.

    Args:
        inputs: as the source has them.
        wanted: whole shapes by input name, batch included.

    Raises:
        BadModel: RL-SOURCE-007, a size stays open, does not fit, or the batch is not 1; -008, an input takes
            strings; -010, shapes for an input that is not there.
    """
    wanted = wanted or {}
    names = [port.name for port in inputs]
    unknown = sorted(wanted.keys() - set(names))
    if unknown:
        raise BadModel(
            "RL-SOURCE-010",
            f"there is no input {', '.join(unknown)}: the model has {', '.join(names)}",
            hint=f"give shapes for these: input_shapes={{{names[0]!r}: ...}}",
        )
    return tuple(_fixed(port, wanted.get(port.name)) for port in inputs)


def kept_outputs(outputs: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The outputs asked for, all without any.

    Raises:
        BadModel: RL-SOURCE-010, there is no such output.
    """
    missing = [name for name in wanted or () if name not in outputs]
    if missing:
        raise BadModel(
            "RL-SOURCE-010",
            f"there is no output {', '.join(missing)}: the model has {', '.join(outputs)}",
            hint="choose outputs among these",
        )
    return tuple(outputs if wanted is None else wanted)


def _fixed(port: OpenPort, wanted: tuple[int, ...] | None) -> Port:
    if port.dtype not in PLAIN_TYPES:
        raise BadModel(
            "RL-SOURCE-008",
            f"input {port.name} takes {port.dtype} values, such as encoded pictures, and a camera gives pixels",
            hint="export a signature that takes the decoded picture",
        )
    if wanted is not None and not _fits(port.shape, wanted):
        raise _shape_error(port, f"cannot be {shape_text(wanted)}")
    sizes = wanted or port.shape
    if sizes is None:
        raise _shape_error(port, "has no shape")
    batched = [1 if axis == 0 and size is None else size for axis, size in enumerate(sizes)]
    if None in batched:
        raise _shape_error(port, "leaves sizes open")
    if batched and batched[0] != 1:
        raise BadModel(
            "RL-SOURCE-007",
            f"input {port.name} {shape_text(sizes)} has a batch of {batched[0]}, and a camera sends one frame",
            hint="export the model with a batch of 1, or with an open one",
        )
    return Port(port.name, tuple(size for size in batched if size is not None), port.dtype)


def _fits(shape: Sizes | None, wanted: tuple[int, ...]) -> bool:
    if shape is None:
        return True
    return len(shape) == len(wanted) and all(size in (None, want) for size, want in zip(shape, wanted, strict=True))


def _shape_error(port: OpenPort, what: str) -> BadModel:
    shape = port.shape or [None, None, None, 3]
    example = tuple(1 if axis == 0 else size or 224 for axis, size in enumerate(shape))
    source = f" {shape_text(port.shape)}" if port.shape is not None else ""
    return BadModel(
        "RL-SOURCE-007",
        f"input {port.name}{source} {what}",
        hint=f"give its sizes, batch included, such as input_shapes={{{port.name!r}: {example}}}",
        details={"input": port.name, "shape": list(port.shape) if port.shape is not None else None},
    )


def shape_text(shape: Sizes) -> str:
    """A shape to read: `(1, ?, ?, 3)`."""
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"
