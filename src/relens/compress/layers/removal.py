"""Fewer layers: the blocks whose loss the answers feel least go, one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from relens.compress.activations import prepared
from relens.compress.channels.clock import measured
from relens.compress.damage import Reference
from relens.compress.layers.blocks import Block, blocks
from relens.errors import BadModel
from relens.graph import Graph, cost
from relens.graph.edit import rewired
from relens.spec import InputSpec
from relens.vision import Frames

PICTURES = 96
"""Enough to judge blocks by; more only take time."""
LEAST_SHARE = 0.01
"""A block with a smaller share of the multiply-accumulates is not worth a trial."""
SHORTLIST = 6
"""How many of the blocks that hurt least alone are tried again after each removal."""


@dataclass(frozen=True)
class Removed:
    """One block that went, and how far the answers are from the original's since then."""

    block: Block
    damage: float

    def __str__(self) -> str:
        return f"damage {self.damage:.4f}  {self.block}"


@dataclass(frozen=True, repr=False)
class LayerCut:
    """A graph with fewer layers; not healed yet.

    removed: in the order they went. speedup: engine -> measured latency of the original over this one's.
    """

    graph: Graph
    removed: tuple[Removed, ...]
    macs_share: float
    speedup: dict[str, float] = field(default_factory=dict)

    def __repr__(self) -> str:
        speed = ", ".join(f"{engine} x{ratio:.2f}" for engine, ratio in self.speedup.items())
        lines = [f"LayerCut({len(self.removed)} blocks, {self.macs_share:.0%} of the MACs stay; {speed})"]
        return "\n".join(lines + [f"  {str(one)[:110]}" for one in self.removed[:9]])


def remove_layers(
    graph: Graph,
    frames: Frames,
    spec: InputSpec,
    *,
    macs_share: float = 0.7,
    max_damage: float | None = None,
    engines: Sequence[str] = ("litert",),
    progress: Callable[[float], None] | None = None,
) -> LayerCut:
    """Remove blocks until the share of multiply-accumulates is reached, or until the next one would hurt too much.

    Args:
        graph: float, with one picture input.
        frames, spec: pictures without labels to judge by, and how they become the input; 32 to 128 are enough.
        macs_share: what may stay, 0..1.
        max_damage: the answers may be this far from the original's before healing (KL in nats for class scores,
            squared error over variance otherwise); None for no bound.
        engines: those on which the result must not be slower.
        progress: told the fraction done, 0..1.

    Raises:
        BadModel: RL-COMPRESS-001 when no block can go or the result is not faster.
    """
    reference = Reference.of(graph, prepared(graph, frames, spec))
    whole = cost(graph).macs
    hurts = _alone(graph, reference, whole, progress)
    current, removed = graph, list[Removed]()
    while hurts and cost(current).macs > macs_share * whole:
        tried = _round(current, hurts, reference, whole)
        if not tried:
            break
        best, next_graph, damage = tried
        if max_damage is not None and damage > max_damage:
            break
        current = next_graph
        removed.append(Removed(best, damage))
        hurts.pop(best.name, None)
        if progress is not None:
            gone = 1 - cost(current).macs / whole
            progress(min(1.0, 0.5 + 0.5 * gone / max(1 - macs_share, 1e-9)))
    if not removed:
        raise _nothing("no block can go within the bound")
    times = measured({"before": graph, "after": current}, list(engines))
    speedup = {name: times["before", name].quick_ms / times["after", name].quick_ms for name in engines}
    if min(speedup.values()) <= 1.0:
        raise _nothing(f"without {len(removed)} blocks it is not faster ({speedup})")
    return LayerCut(current, tuple(removed), cost(current).macs / whole, speedup)


def _alone(
    graph: Graph, reference: Reference, whole: int, progress: Callable[[float], None] | None
) -> dict[str, float]:
    """Block name -> damage per saved share of the work when it alone goes."""
    worth = [block for block in blocks(graph) if block.macs >= LEAST_SHARE * whole]
    found = {}
    for done, block in enumerate(worth, 1):
        damage = reference.damage(rewired(graph, {block.end: block.start}))
        found[block.name] = damage / (block.macs / whole)
        if progress is not None:
            progress(0.5 * done / len(worth))
    return found


def _round(
    graph: Graph, hurts: dict[str, float], reference: Reference, whole: int
) -> tuple[Block, Graph, float] | None:
    """The best of the shortlist in the graph as it is by now."""
    there = {block.name: block for block in blocks(graph) if block.name in hurts}
    shortlist = sorted(there, key=lambda name: hurts[name])[:SHORTLIST]
    tried = []
    for name in shortlist:
        block = there[name]
        cut = rewired(graph, {block.end: block.start})
        damage = reference.damage(cut)
        tried.append((damage / (block.macs / whole), block, cut, damage))
    if not tried:
        return None
    _, block, cut, damage = min(tried, key=lambda one: one[0])
    return block, cut, damage


def _nothing(why: str) -> BadModel:
    return BadModel("RL-COMPRESS-001", f"fewer layers: {why}", hint="leave `layers` out of [recipe], or widen its goal")
