"""A verdict as a picture: accuracy against latency, one mark an option. Pure: values in, SVG out.

Colours are the page's CSS, so that one picture serves light and dark.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from relens.pipeline.axis import Axis, ratio_axis, share_axis
from relens.pipeline.captions import Anchor, Box, Caption, Spot, captions, text_box
from relens.pipeline.marks import Limits, Mark, engines, front

FONT = 13
LARGEST, SMALLEST, RING = 14.0, 4.5, 6.0
"""In pixels: radius of the largest file's mark, the least radius, and how far the ring stands off the chosen mark."""
FAR_BELOW, LEAST_DROP = 5.0, 0.02
"""An option this many allowed drops below the best one (counted as 0.02 at least) stands at the foot of the picture,
with its value: a broken one would squeeze all others into a line."""
COLOURS = 4
"""Engines that the page has colours for; further ones begin again."""


@dataclass(frozen=True)
class Shape:
    """Size of the picture in pixels. longest_name: in characters; longer ones go without their engine, or are cut."""

    kind: str
    width: int
    height: int
    longest_name: int


WIDE = Shape("wide", 960, 440, 44)
NARROW = Shape("narrow", 380, 430, 22)


def chart(marks: Sequence[Mark], limits: Limits, *, accuracy: str, latency: str, shape: Shape = WIDE) -> str:
    """The picture as an `svg` element; empty without marks.

    Args:
        marks: the options.
        limits: the goals, drawn as lines.
        accuracy: what the vertical axis shows, as `top-1, 300 pictures`.
        latency: what the horizontal axis shows, as `median latency, ms`.
        shape: how large.
    """
    if not marks:
        return ""
    plot = _plot(marks, limits, shape)
    area = plot.area
    described = escape(f"{accuracy} against {latency}: {len(marks)} options; {_summary(marks)}")
    obstacles = [box for mark in marks for box in _boxes(mark, plot)]
    goals = list(_goals(limits, plot, obstacles))
    spots = _spots(marks, plot, shape)
    scale = ", log scale" if plot.x.log else ""
    order = sorted(marks, key=lambda mark: (mark.chosen, not mark.missed, -mark.size_mb))
    parts = [
        f'<svg class="chart {shape.kind}" viewBox="0 0 {shape.width} {shape.height}" font-size="{FONT}" role="img"'
        f' aria-label="{described}">',
        *_grid(plot),
        *(svg for svg, _ in goals),
        _text(f"\N{UPWARDS ARROW} {accuracy}", 4, FONT + 2, "start", "axis"),
        _text(f"\N{LEFTWARDS ARROW} {latency}{scale}", area.right, shape.height - 6, "end", "axis"),
        _staircase(front(marks), plot),
        *(_mark(mark, plot) for mark in order),
        *(_name(caption) for caption in captions(spots, obstacles, [box for _, box in goals], area, FONT)),
        "</svg>",
    ]
    return "\n".join(parts)


def symbol(engine: int, x: float, y: float, radius: float) -> str:
    """The mark of the engine with this number as an SVG path: circle, square, diamond or triangle of one area."""
    if engine % COLOURS == 0:
        arc, d = f"a{radius:.1f} {radius:.1f} 0 1 0", 2 * radius
        return f'<path d="M{x - radius:.1f} {y:.1f}{arc} {d:.1f} 0{arc} {-d:.1f} 0z"/>'
    corners, turn = ((4, math.pi / 4), (4, 0.0), (3, -math.pi / 2))[engine % COLOURS - 1]
    reach = radius * math.sqrt(2 * math.pi / (corners * math.sin(2 * math.pi / corners)))
    angles = (turn + 2 * math.pi * corner / corners for corner in range(corners))
    points = " ".join(f"{x + reach * math.cos(angle):.1f} {y + reach * math.sin(angle):.1f}" for angle in angles)
    return f'<path d="M{points}z"/>'


@dataclass(frozen=True)
class _Plot:
    """Where values lie. largest_mb: the file whose mark is largest."""

    area: Box
    x: Axis
    y: Axis
    largest_mb: float
    engines: list[str]

    def place(self, mark: Mark) -> tuple[float, float, float]:
        """Middle and radius of a mark in pixels; one that is far below stands on the foot."""
        radius = max(SMALLEST, LARGEST * math.sqrt(mark.size_mb / self.largest_mb))
        y = self.area.bottom - radius - 2 if self.below(mark) else self.y.place(mark.accuracy.value)
        return self.x.place(mark.latency_ms), y, radius

    def below(self, mark: Mark) -> bool:
        """Whether its accuracy lies under the axis."""
        return mark.accuracy.value < self.y.low


def _plot(marks: Sequence[Mark], limits: Limits, shape: Shape) -> _Plot:
    area = Box(48, 43, shape.width - 14, shape.height - 48)
    times = [time for mark in marks for time in (mark.latency_ms, mark.p90_ms)]
    intervals = [mark.accuracy for mark in marks if mark.accuracy.value >= _foot(marks, limits)]
    lowest, highest = min(item.low for item in intervals), max(item.high for item in intervals)
    return _Plot(
        area,
        ratio_axis(min(times), max(times), limits.most_latency_ms, area.left, area.right),
        share_axis(lowest, highest, limits.least_accuracy, area.bottom, area.top),
        max(mark.size_mb for mark in marks),
        engines(marks),
    )


def _foot(marks: Sequence[Mark], limits: Limits) -> float:
    """The accuracy under which an option is far below."""
    best = max(mark.accuracy.value for mark in marks)
    if limits.least_accuracy is None:
        return -math.inf
    return best - FAR_BELOW * max(LEAST_DROP, best - limits.least_accuracy)


def _goals(limits: Limits, plot: _Plot, obstacles: Sequence[Box]) -> Iterator[tuple[str, Box]]:
    """Each limit with the room its text takes: a line and what lies beyond it, or an arrow to where it would be."""
    area = plot.area
    left, right = area.left + 5, area.right - 5
    if limits.least_accuracy is not None:
        text, y = f"goal: at least {limits.least_accuracy:.3f}", plot.y.place(limits.least_accuracy)
        spots: list[tuple[float, float, Anchor]] = [(right, y + FONT + 2, "end"), (left, y + FONT + 2, "start")]
        if plot.y.holds(limits.least_accuracy):
            beyond = Box(area.left, y, area.right, area.bottom)
            yield _goal(text, spots, obstacles, _line(area.left, y, area.right, y, "limit"), beyond)
        else:
            yield _goal(f"{text} \N{DOWNWARDS ARROW}", [(right, area.bottom - 6, "end")], obstacles)
    if limits.most_latency_ms is not None:
        text, x = f"goal: at most {limits.most_latency_ms:g} ms", plot.x.place(limits.most_latency_ms)
        if plot.x.holds(limits.most_latency_ms):
            beyond = Box(x, area.top, area.right, area.bottom)
            room = text_box(text, x, 0, "end", FONT).left > area.left
            yield _goal(
                text,
                [(x, area.top - 6, "end" if room else "start")],
                obstacles,
                _line(x, area.top, x, area.bottom, "limit"),
                beyond,
            )
        else:
            yield _goal(f"{text} \N{RIGHTWARDS ARROW}", [(right, area.top - 6, "end")], obstacles)


def _goal(
    text: str,
    spots: Sequence[tuple[float, float, Anchor]],
    obstacles: Sequence[Box],
    line: str = "",
    beyond: Box | None = None,
) -> tuple[str, Box]:
    """The text goes to the spot where it hides least."""
    boxes = [text_box(text, *spot, FONT) for spot in spots]
    hidden = [sum(box.overlap(other) for other in obstacles) for box in boxes]
    best = hidden.index(min(hidden))
    tint = ""
    if beyond:
        size = f'width="{beyond.right - beyond.left:.1f}" height="{beyond.bottom - beyond.top:.1f}"'
        tint = f'<rect class="beyond" x="{beyond.left:.1f}" y="{beyond.top:.1f}" {size}/>'
    return f"{tint}{line}{_text(text, *spots[best], 'goal')}", boxes[best]


def _grid(plot: _Plot) -> Iterator[str]:
    area = plot.area
    for value, shown in plot.y.ticks():
        if value <= 1:
            yield _line(area.left, plot.y.place(value), area.right, plot.y.place(value), "grid")
            yield _text(shown, area.left - 8, plot.y.place(value) + 4, "end", "tick")
    for value, shown in plot.x.ticks():
        yield _line(plot.x.place(value), area.bottom, plot.x.place(value), area.bottom + 5, "base")
        yield _text(shown, plot.x.place(value), area.bottom + FONT + 6, "middle", "tick")
    yield _line(area.left, area.bottom, area.right, area.bottom, "base")


def _staircase(best: Sequence[Mark], plot: _Plot) -> str:
    """What can be had: at each latency the best accuracy that is no slower."""
    (x, y, _), *rest = (plot.place(mark) for mark in best)
    steps = "".join(f"H{x:.1f}V{y:.1f}" for x, y, _ in rest)
    return f'<path class="front" d="M{x:.1f} {y:.1f}{steps}"/>'


def _mark(mark: Mark, plot: _Plot) -> str:
    x, y, radius = plot.place(mark)
    right, high, low = _whiskers(mark, plot)
    engine = plot.engines.index(mark.engine)
    state = " chosen" if mark.chosen else " missed" if mark.missed else ""
    ring = f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="{radius + RING:.1f}"/>' if mark.chosen else ""
    return (
        f'<g class="mark engine{engine % COLOURS}{state}"><title>{escape(mark.told)}</title>'
        + _line(x, low, x, high, "whisker")
        + _line(x, y, right, y, "whisker")
        + f"{ring}{symbol(engine, x, y, radius)}</g>"
    )


def _whiskers(mark: Mark, plot: _Plot) -> tuple[float, float, float]:
    """In pixels: the right end of the one for latency, the upper and the lower end of the one for accuracy."""
    _, y, _ = plot.place(mark)
    ends = (y, y) if plot.below(mark) else (plot.y.place(mark.accuracy.high), plot.y.place(mark.accuracy.low))
    return plot.x.place(mark.p90_ms), *ends


def _boxes(mark: Mark, plot: _Plot) -> list[Box]:
    """What a mark covers: itself and its whiskers."""
    x, y, r = plot.place(mark)
    right, high, low = _whiskers(mark, plot)
    return [Box(x - r, y - r, x + r, y + r), Box(x - 1, high, x + 1, low), Box(x, y - 1, right, y + 1)]


def _spots(marks: Sequence[Mark], plot: _Plot, shape: Shape) -> list[Spot]:
    """What gets a name: the chosen one, the float reference, those far below, and the Pareto front."""
    best = front(marks)
    named = [mark for mark in marks if mark.chosen or mark.reference or plot.below(mark) or mark in best]
    named.sort(key=lambda mark: (not mark.chosen, not mark.reference, not plot.below(mark)))
    return [_spot(mark, plot, shape) for mark in named]


def _spot(mark: Mark, plot: _Plot, shape: Shape) -> Spot:
    x, y, radius = plot.place(mark)
    name = mark.name if len(mark.name) <= shape.longest_name else mark.candidate
    if len(name) > shape.longest_name:
        name = f"{name[: shape.longest_name - 1]}\N{HORIZONTAL ELLIPSIS}"
    if plot.below(mark):
        return Spot(f"{name}: {mark.accuracy.value:.3f} \N{DOWNWARDS ARROW}", x, y, radius, must=True, kind="below")
    if mark.chosen:
        return Spot(f"{name}, chosen", x, y, radius + RING, must=True, kind="name chosen")
    return Spot(name, x, y, radius, must=mark.reference)


def _name(caption: Caption) -> str:
    text = _text(caption.spot.text, caption.x, caption.y, caption.anchor, caption.spot.kind)
    if not caption.far:
        return text
    return _line(caption.spot.x, caption.spot.y, caption.x, caption.y - 0.3 * FONT, "leader") + text


def _summary(marks: Sequence[Mark]) -> str:
    chosen = next((mark for mark in marks if mark.chosen), None)
    if chosen is None:
        return "none is chosen"
    return f"{chosen.name} is chosen, with {chosen.accuracy.value:.3f} in {chosen.latency_ms:.2f} ms"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(text: str, x: float, y: float, anchor: Anchor, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
