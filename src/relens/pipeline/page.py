"""The pieces of the report's page. Pure: values in, HTML out."""

import base64
from collections.abc import Sequence
from html import escape

from relens.pipeline.chart import COLOURS, symbol
from relens.pipeline.marks import Mark, engines, front
from relens.pipeline.option import Option
from relens.pipeline.side_by_side import Pair, SideBySide, View
from relens.pipeline.verdict import Judged, Verdict


def facts(verdict: Verdict) -> str:
    """What the chosen option reaches, each value with the float model's beside it; empty when there is none."""
    if verdict.chosen is None:
        return ""
    chosen = verdict.chosen.option
    reference = next((judged.option for judged in verdict.judged if judged.option.is_reference), None)
    if chosen.is_reference:
        reference = None
    theirs = _values(reference) if reference else {}
    told = escape(reference.name) if reference else ""
    items = []
    for name, value in _values(chosen).items():
        beside = f"<small>{told}: {theirs[name]}</small>" if name in theirs else ""
        items.append(f"<div><dt>{name}</dt><dd>{value}{beside}</dd></div>")
    return f'<dl class="facts">{"".join(items)}</dl>'


def legend(marks: Sequence[Mark], missing: int) -> str:
    """How to read the chart. missing: options that are not in it."""
    signs = [
        f'<span class="mark engine{number % COLOURS}"><svg viewBox="0 0 16 16">{symbol(number, 8, 8, 6)}</svg></span>'
        f"{escape(engine)}"
        for number, engine in enumerate(engines(marks))
    ]
    signs.append("area: size of the file")
    signs.append("whiskers: 95 % interval of accuracy, median to 90th percentile of latency")
    if len(front(marks)) > 1:
        signs.append("stairs: the best that can be had")
    if any(mark.missed for mark in marks):
        signs.append("pale: misses a goal")
    if missing:
        signs.append(f"not measured, so not shown: {missing}")
    return f"<figcaption>{''.join(f'<span>{sign}</span>' for sign in signs)}</figcaption>"


def pictures(seen: SideBySide) -> str:
    """The section with both models' predictions, side by side."""
    n = f"{seen.compared}" if seen.compared == seen.total else f"{seen.compared} (of {seen.total})"
    what = f"They differ on {seen.differing} of {n} pictures" if seen.differing else f"They agree on all {n} pictures"
    pairs = "\n".join(_pair(pair, seen) for pair in seen.pairs)
    return (
        f"<section><h2>Side by side</h2>\n<p>Left <b>{escape(seen.reference)}</b>, right <b>{escape(seen.chosen)}</b>. "
        f"{what}; where their answers lie furthest apart comes first. To differ means: {escape(seen.rule)}.</p>"
        f'\n<div class="pairs">\n{pairs}\n</div></section>'
    )


def row(judged: Judged, slowest_ms: float, chosen: bool) -> str:
    """One option as a row of the table. slowest_ms: what a full bar stands for."""
    option = judged.option
    latency, bar = "-", 0.0
    if option.latency:
        latency = f"{option.latency.median_ms:.2f} / {option.latency.p90_ms:.2f} / {option.latency.p99_ms:.2f}"
        bar = 100 * option.latency.median_ms / slowest_ms
    there = f"<small>on the device: {escape(str(option.estimate))}</small>" if option.estimate else ""
    cells = {
        "accuracy": f"{option.score.interval}" if option.score else "-",
        "drop": f"{option.drop.value:+.3f} [{option.drop.low:+.3f}, {option.drop.high:+.3f}]" if option.drop else "-",
        "latency ms": f'{latency}<div class="bar" style="width:{bar:.0f}%"></div>{there}',
        "peak MB": f"{option.memory.peak_mb:.0f}" if option.memory else "-",
        "file MB": f"{option.size_mb:.2f}",
        "why": _breakable(judged.reason),
    }
    kind = "chosen" if chosen else "" if judged.acceptable else "lost"
    body = "".join(f'<td data-name="{name}">{value}</td>' for name, value in cells.items())
    return f'<tr class="{kind}"><th scope="row">{_breakable(option.name)}{_lineage(option)}</th>{body}</tr>'


def _values(option: Option) -> dict[str, str]:
    values = {}
    if option.score:
        values[escape(option.score.metric)] = f"{option.score.interval.value:.3f}"
    if option.latency:
        values["median latency"] = f"{option.latency.median_ms:.2f} ms"
    if option.estimate:
        values["there, estimated"] = f"{option.estimate.figures} ms"
    if option.memory:
        values["peak memory"] = f"{option.memory.peak_mb:.0f} MB"
    return {**values, "file": f"{option.size_mb:.2f} MB"}


def _breakable(text: str) -> str:
    """Long names of steps may go on in the next line."""
    return escape(text).replace("+", "+<wbr>")


def _lineage(option: Option) -> str:
    """What was done to the float graph, in order; folded where it is long."""
    recipe = option.candidate.recipe
    steps = f'<ol class="lineage">{"".join(f"<li>{escape(step)}</li>" for step in recipe)}</ol>'
    if len(recipe) < 2:
        return steps if recipe else ""
    return f"<details><summary>{len(recipe)} steps</summary>{steps}</details>"


def _pair(pair: Pair, seen: SideBySide) -> str:
    views = _view(pair.reference, seen.reference, pair.picture) + _view(pair.chosen, seen.chosen, pair.picture)
    badge = '<span class="badge">differs</span> ' if pair.differs else ""
    truth = f", truth: <b>{escape(pair.truth)}</b>" if pair.truth is not None else ""
    caption = f"<figcaption>{badge}{escape(pair.picture)}{truth}</figcaption>"
    return (
        f'<figure class="pair{" differs" if pair.differs else ""}">{caption}<div class="views">{views}</div></figure>'
    )


def _view(view: View, option: str, picture: str) -> str:
    data = base64.b64encode(view.jpeg).decode()
    mark = (
        ""
        if view.right is None
        else ' <span class="good">right</span>'
        if view.right
        else ' <span class="bad">wrong</span>'
    )
    said = escape(view.says)
    alt = escape(f"{picture} by {option}: {view.says}")
    return f'<div><img src="data:image/jpeg;base64,{data}" alt="{alt}"><p>{said}{mark}</p></div>'
