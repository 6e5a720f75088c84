"""What each group can spare: the damage to the graph's outputs when that group alone is cut."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from relens.compress.activations import Array
from relens.compress.channels.clock import Clock, clock_of
from relens.compress.channels.cut import cut
from relens.compress.channels.groups import Group, Groups, Kept, groups_of
from relens.compress.channels.importance import Order, Reader, order_of, readers_of, refitted
from relens.compress.damage import Reference
from relens.graph import Graph
from relens.graph.edit import Operand, compacted

TRIED = (0.75, 0.5, 0.25)
"""Shares of a group's channels at which the damage is measured; between them it follows the readers' own error."""
UNSEEN = 4  # at most every fourth picture measures the damage, the others make the regressions
DAMAGE_PICTURES = 48
GRAM_PICTURES = 192


@dataclass(frozen=True, repr=False)
class Study:
    """Everything about a graph that does not depend on how much is cut.

    Attributes:
        groups: the graph and its channels.
        readers: the operations that read, by index.
        orders: in which order each group's units go, by group.
        damages: for each group its damage at each of `Group.widths`, as the widths fall.
        clock: what a cut saves.
        pictures: input tensors to fit on. reference: the original's answers on pictures to measure on.
    """

    groups: Groups
    readers: Mapping[int, Reader]
    orders: Mapping[int, Order]
    damages: Mapping[int, NDArray[np.float64]]
    clock: Clock
    pictures: Sequence[Array]
    reference: Reference = field(compare=False)

    def kept(self, widths: Mapping[int, int]) -> Kept:
        """The units that stay when groups are cut to these widths."""
        kept = self.groups.everything
        for index, width in widths.items():
            self.orders[index].keep(kept, width)
        return kept

    def __repr__(self) -> str:
        return f"Study({len(self.damages)} groups on {len(self.pictures)} pictures)"


def study(
    graph: Graph,
    pictures: Sequence[Array],
    *,
    teacher: Graph | None = None,
    progress: Callable[[float], None] | None = None,
) -> Study:
    """Look at a graph once, to cut it as often as wanted.

    Args:
        graph: float.
        pictures: input tensors (1, H, W, C) float32, in random order; the first ones only measure.
        teacher: the graph whose answers count, where it is not `graph` itself.
        progress: told the fraction done, 0..1.
    """
    tell = progress or (lambda done: None)
    groups = groups_of(compacted(graph))
    count = min(DAMAGE_PICTURES, len(pictures) // UNSEEN)
    rest, fit = pictures[:count], pictures[count:]
    reference = Reference.of(teacher or graph, rest)
    clock = clock_of(groups)
    readers = readers_of(groups, fit[:GRAM_PICTURES], progress=lambda done: tell(0.3 * done))
    orders, damages = {}, {}
    for number, group in enumerate(groups.free, start=1):
        orders[group.index] = order_of(group, readers)
        damages[group.index] = _damages(groups, group, readers, orders[group.index], reference)
        tell(0.3 + 0.7 * number / len(groups.free))
    return Study(groups, readers, orders, damages, clock, fit, reference)


def repaired_weights(groups: Groups, readers: Mapping[int, Reader], kept: Kept) -> dict[Operand, Array]:
    """New weights for every operation that loses inputs."""
    weights: dict[Operand, Array] = {}
    for op, reader in readers.items():
        if not kept[reader.units].all():
            outputs = groups.layouts[groups.graph.ops[op].outputs[0]].ids
            weights |= refitted(reader, kept, kept[outputs])
    return weights


def _damages(
    groups: Groups, group: Group, readers: Mapping[int, Reader], order: Order, reference: Reference
) -> NDArray[np.float64]:
    """Damage at each width: measured at a few, in between a power of the readers' error that meets both ends."""
    widths = np.array(group.widths)
    tried = sorted({int(np.abs(widths[1:] - share * group.size).argmin()) + 1 for share in TRIED})
    base = reference.damage(groups.graph)
    found: list[float] = []
    for place in tried:
        kept = groups.everything
        order.keep(kept, int(widths[place]))
        damage = reference.damage(cut(groups, kept, repaired_weights(groups, readers, kept))) - base
        found.append(max(damage, found[-1] if found else 0.0, 1e-7))
    errors = np.maximum(order.errors[group.size - widths], 1e-6)
    at, logs = np.log(errors[tried]), np.log(found)
    damages = np.exp(np.interp(np.log(errors), at, logs))
    damages *= np.where(errors < errors[tried[0]], errors / errors[tried[0]], 1.0)  # before the first: in proportion
    damages *= np.maximum(errors / errors[tried[-1]], 1.0)  # behind the last: likewise
    damages[0] = 0.0
    return np.asarray(np.maximum.accumulate(damages))
