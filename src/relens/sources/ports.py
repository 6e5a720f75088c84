"""The inputs of a source model with every size fixed, and arrays to feed them with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from relens.errors import BadModel
from relens.sources.request import Arrays

PROBES = 3
SEED = 0


@dataclass(frozen=True)
class Port:
    """An input: its name, its shape with a batch of 1, and numpy's name of its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str


def fixed_port(name: str, shape: Sequence[int | None] | None, dtype: str, wanted: tuple[int, ...] | None) -> Port:
    """An input with its open sizes fixed: the batch to 1, others as wanted.

    Args:
        name: the input's name.
        shape: the source's shape; None stands for an open size, or for an open rank.
        dtype: numpy's name of the element type.
        wanted: the whole shape to give it, batch included.

    Raises:
        BadModel: RL-SOURCE-007, a size stays open, does not fit, or the batch is not 1;
            RL-SOURCE-008, it takes strings.
    """
    if not np.issubdtype(np.dtype(dtype), np.number) and dtype != "bool":
        raise BadModel(
            "RL-SOURCE-008",
            f"input {name} takes {dtype} values, such as encoded pictures, and a camera gives pixels",
            hint="export a signature that takes the decoded picture, or name a later tensor as input",
        )
    if wanted is not None:
        sizes: list[int | None] = list(wanted)
        if shape is not None and not _fits(shape, wanted):
            raise _shape_error(name, shape, f"cannot be {_text(wanted)}")
    elif shape is None:
        raise _shape_error(name, None, "has no shape")
    else:
        sizes = [1 if axis == 0 and size is None else size for axis, size in enumerate(shape)]
    if None in sizes:
        raise _shape_error(name, shape, f"leaves sizes open: {_text(sizes)}")
    if sizes and sizes[0] != 1:
        raise _shape_error(name, shape, f"has a batch of {sizes[0]}, and a camera sends one frame")
    return Port(name, tuple(int(size) for size in sizes if size is not None), dtype)


def draw_probes(ports: Sequence[Port]) -> list[Arrays]:
    """Seeded random inputs: -1..1 for floating point, 0 or 1 for integers and booleans."""
    random = np.random.default_rng(SEED)
    return [{port.name: _draw(random, port) for port in ports} for _ in range(PROBES)]


def check_probes(probes: Sequence[Arrays], ports: Sequence[Port]) -> None:
    """Refuse probes that do not fit the inputs.

    Raises:
        BadModel: RL-SOURCE-009, naming the probe and the input.
    """
    expected = {port.name: (port.shape, port.dtype) for port in ports}
    for index, probe in enumerate(probes):
        found = {name: (array.shape, array.dtype.name) for name, array in probe.items()}
        if found != expected:
            raise BadModel(
                "RL-SOURCE-009",
                f"probe {index} is {_ports_text(found)} where the model takes {_ports_text(expected)}",
                hint="give every input by its name, in that shape and type",
            )


def nudged(probe: Arrays) -> Arrays:
    """The same inputs with the last bit of every float changed: how much of the answers is rounding?"""
    random = np.random.default_rng(SEED)
    return {name: _nudge(random, array) for name, array in probe.items()}


def _nudge(random: np.random.Generator, array: NDArray[np.generic]) -> NDArray[np.generic]:
    if not np.issubdtype(array.dtype, np.floating):
        return array
    step = random.choice([-1.0, 1.0], array.shape) * np.finfo(array.dtype.name).eps
    changed: NDArray[np.generic] = (array.astype(np.float64) * (1 + step)).astype(array.dtype)
    return changed


def _draw(random: np.random.Generator, port: Port) -> NDArray[np.generic]:
    if np.issubdtype(np.dtype(port.dtype), np.floating):
        return random.uniform(-1, 1, port.shape).astype(port.dtype)
    return random.integers(0, 2, port.shape).astype(port.dtype)


def _fits(shape: Sequence[int | None], wanted: tuple[int, ...]) -> bool:
    return len(shape) == len(wanted) and all(size in (None, want) for size, want in zip(shape, wanted, strict=True))


def _shape_error(name: str, shape: Sequence[int | None] | None, what: str) -> BadModel:
    example = [1, *((size or 224) for size in list(shape)[1:])] if shape else [1, 224, 224, 3]
    source = f" (the source says {_text(shape)})" if shape is not None else ""
    return BadModel(
        "RL-SOURCE-007",
        f"input {name} {what}{source}",
        hint=f"give its sizes, such as input_shapes={{{name!r}: {tuple(example)}}} "
        "(on the command line: [input] size), or export it with a batch of 1",
    )


def _text(shape: Sequence[int | None]) -> str:
    return "(" + ", ".join("?" if size is None else str(size) for size in shape) + ")"


def _ports_text(ports: Mapping[str, tuple[tuple[int, ...], str]]) -> str:
    return ", ".join(f"{name} {dtype} {_text(shape)}" for name, (shape, dtype) in ports.items()) or "empty"
