"""What source and graph are fed to be compared."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from relens.errors import BadModel
from relens.sources.ports import Port, shape_text
from relens.sources.request import Arrays

PROBES = 3
SEED = 0


def draw_probes(ports: Sequence[Port]) -> list[Arrays]:
    """Seeded random inputs: -1..1 for floating point, 0 or 1 for integers and booleans."""
    random = np.random.default_rng(SEED)
    return [{port.name: _draw(random, port) for port in ports} for _ in range(PROBES)]


def check_probes(probes: Sequence[Arrays], ports: Sequence[Port]) -> None:
    """Refuse probes that do not fit the inputs.

    Raises:
        BadModel: RL-SOURCE-009, naming the probe and what the model takes.
    """
    expected = {port.name: (port.shape, port.dtype) for port in ports}
    for index, probe in enumerate(probes):
        found = {name: (array.shape, array.dtype.name) for name, array in probe.items()}
        if found != expected:
            raise BadModel(
                "RL-SOURCE-009",
                f"probe {index} is {_text(found)} where the model takes {_text(expected)}",
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


def _text(ports: Mapping[str, tuple[tuple[int, ...], str]]) -> str:
    return ", ".join(f"{name} {dtype} {shape_text(shape)}" for name, (shape, dtype) in ports.items()) or "empty"
