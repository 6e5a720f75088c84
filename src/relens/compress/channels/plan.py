"""How much to cut where: the least damage for the latency that is wanted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from relens.compress.channels.clock import Timing, Widths, measured
from relens.compress.channels.cut import cut
from relens.compress.channels.groups import Groups
from relens.compress.channels.study import Study
from relens.graph import Graph, cost

TRIES = 4
CLOSE = 0.03  # a measured speed-up this much below the wanted one counts as reached


@dataclass(frozen=True, repr=False)
class Plan:
    """Which group is cut to which width.

    Attributes:
        sizes, widths: units of each cut group before and after, by group.
        names: what makes each of them.
        macs, bytes: multiply-accumulates and file size before and after.
        latency: measured before and after, by engine; empty where only a ratio was asked for.
    """

    sizes: Mapping[int, int]
    widths: Mapping[int, int]
    names: Mapping[int, str]
    macs: tuple[int, int]
    size_bytes: tuple[int, int]
    latency: Mapping[str, tuple[Timing, Timing]] = field(default_factory=dict)

    @property
    def speedup(self) -> float:
        """How many times faster, measured undisturbed, on the engine that gains least; else by MACs."""
        found = [before.quick_ms / after.quick_ms for before, after in self.latency.values()]
        return min(found, default=self.macs[0] / max(self.macs[1], 1))

    def __repr__(self) -> str:
        macs, size = (f"{a / 1e6:.4g} -> {b / 1e6:.4g}" for a, b in (self.macs, self.size_bytes))
        lines = [f"Plan: {self.speedup:.2f}x; M MACs {macs}; MB {size}; {len(self.widths)} groups cut"]
        for engine, (before, after) in self.latency.items():
            lines.append(
                f"  {engine}: {before.quick_ms:.2f} -> {after.quick_ms:.2f} ms undisturbed; median {after.latency}"
            )
        most = sorted(self.widths, key=lambda index: self.widths[index] / self.sizes[index])
        shown = most[: 9 - len(lines)]
        lines += [f"  {self.sizes[g]:4} -> {self.widths[g]:4}  group {g}, {self.names[g][-60:]}" for g in shown]
        rest = most[len(shown) :]
        if rest:
            saved = 1 - sum(self.widths[g] for g in rest) / sum(self.sizes[g] for g in rest)
            lines.append(f"  and {len(rest)} more groups, by {saved:.0%} on average")
        return "\n".join(lines)


def cheapest(study: Study, speedup: float) -> dict[int, int]:
    """Widths of the cut groups for a predicted speed-up: always the step next that costs least damage a millisecond.

    Steps may skip widths, so that a group whose first channels cost much and later ones little is seen as it is (the
    lower convex hull). Where the speed-up cannot be had, everything is at its least.
    """
    clock, groups = study.clock, {group.index: group for group in study.groups.free}
    widths: Widths = clock.sizes.copy()
    place = dict.fromkeys(groups, 0)
    now = clock(widths)
    target = now / speedup
    while now > target:
        best, step = np.inf, None
        for index, group in groups.items():
            damages = study.damages[index]
            for later in range(place[index] + 1, len(group.widths)):
                tried = widths.copy()
                tried[index] = group.widths[later]
                rate = (damages[later] - damages[place[index]]) / max(now - clock(tried), 1e-9)
                if rate < best:
                    best, step = rate, (index, later)
        if step is None:
            break
        place[step[0]] = step[1]
        widths[step[0]] = groups[step[0]].widths[step[1]]
        now = clock(widths)
    return {index: int(widths[index]) for index in groups if place[index]}


def uniform(groups: Groups, ratio: float) -> dict[int, int]:
    """Every group without this fraction of its channels, as near as its widths allow."""
    found = {g.index: min(g.widths, key=lambda width: abs(width - g.size * (1 - ratio))) for g in groups.free}
    return {index: width for index, width in found.items() if width < groups.groups[index].size}


def reach(
    study: Study, speedup: float, engines: Sequence[str], progress: Callable[[float], None] | None = None
) -> tuple[dict[int, int], Mapping[str, tuple[Timing, Timing]]]:
    """Widths whose graph is measured to be as fast as wanted, corrected until it is, and what was measured."""
    asked = speedup
    nearest: tuple[float, dict[int, int], Mapping[str, tuple[Timing, Timing]]] = (np.inf, {}, {})
    for attempt in range(TRIES):
        widths = cheapest(study, asked)
        latency = compare(study, widths, engines)
        got = min(before.quick_ms / after.quick_ms for before, after in latency.values())
        miss = float(abs(np.log(got / speedup)))
        nearest = min(nearest, (miss, widths, latency), key=lambda item: item[0])
        if progress is not None:
            progress((attempt + 1) / TRIES)
        if miss <= CLOSE:
            break
        asked = max(1.01, asked * speedup / got)
    return nearest[1], nearest[2]


def compare(study: Study, widths: Mapping[int, int], engines: Sequence[str]) -> dict[str, tuple[Timing, Timing]]:
    """Measured latency before and after a cut, by engine; weights do not matter for it."""
    graphs = {"before": study.groups.graph, "after": cut(study.groups, study.kept(widths))}
    found = measured(graphs, engines)
    return {engine: (found["before", engine], found["after", engine]) for engine in engines}


def plan_of(
    groups: Groups, widths: Mapping[int, int], after: Graph, latency: Mapping[str, tuple[Timing, Timing]]
) -> Plan:
    """What was decided, for people and reports."""
    names = {index: (groups.groups[index].names or ("an input",))[0] for index in widths}
    before = groups.graph
    return Plan(
        sizes={index: groups.groups[index].size for index in widths},
        widths=dict(widths),
        names=names,
        macs=(cost(before).macs, cost(after).macs),
        size_bytes=(before.size_bytes, after.size_bytes),
        latency=latency,
    )
