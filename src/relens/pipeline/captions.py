"""Where names go in a chart, so that they hide neither each other nor the marks. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

CHARACTER = 0.57
"""Width of an average character in units of the font's size."""
HIDES_NAME, HIDES_MARK = 6.0, 1.5

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: "Box") -> float:
        """The common area."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def within(self, other: "Box") -> bool:
        """Whether it lies inside."""
        return (
            self.left >= other.left
            and self.top >= other.top
            and self.right <= other.right
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Spot:
    """Something to be named: its middle and radius in pixels.

    must: named even where the name hides something. kind: the CSS class of the name.
    """

    text: str
    x: float
    y: float
    radius: float
    must: bool = False
    kind: str = "name"


@dataclass(frozen=True)
class Caption:
    """A name in its place. x, y: where its base line is anchored; far: it wants a line to its mark."""

    spot: Spot
    x: float
    y: float
    anchor: Anchor
    box: Box
    far: bool


def captions(
    spots: Sequence[Spot], marks: Sequence[Box], taken: Sequence[Box], area: Box, size: float
) -> list[Caption]:
    """Place the names one by one, the important ones first; one that must not be there and finds no room is left out.

    Args:
        spots: what to name, the most important first.
        marks: what names should not hide.
        taken: texts that are already there.
        area: names stay inside, if they fit at all.
        size: of the font, in pixels.
    """
    placed: list[Caption] = []
    for spot in spots:
        names = [*taken, *(caption.box for caption in placed)]
        tried = [
            (_cost(caption.box, names, marks, area) + rank, rank, caption) for rank, caption in _places(spot, size)
        ]
        _, _, best = min(tried, key=lambda item: item[:2])
        hidden = sum(best.box.overlap(box) for box in names)
        if spot.must or (hidden < 1 and best.box.within(area)):
            placed.append(best)
    return placed


def text_box(text: str, x: float, y: float, anchor: Anchor, size: float) -> Box:
    """About the room that a line of text takes."""
    width = CHARACTER * size * len(text)
    left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
    return Box(left, y - 0.85 * size, left + width, y + 0.3 * size)


def _cost(box: Box, names: Sequence[Box], marks: Sequence[Box], area: Box) -> float:
    outside = 0.0 if box.within(area) else 1e4 - box.overlap(area)
    hidden = HIDES_NAME * sum(box.overlap(other) for other in names)
    return outside + hidden + HIDES_MARK * sum(box.overlap(other) for other in marks)


def _places(spot: Spot, size: float) -> list[tuple[float, Caption]]:
    """Where a name may stand, each with how little it is liked: beside the mark, then ever further from it."""
    found = []
    for far, gap in enumerate((5.0, 20.0, 38.0, 60.0, 90.0)):
        reach, slant = spot.radius + gap, 0.7 * (spot.radius + gap)
        middle = 0.3 * size
        around: tuple[tuple[float, float, Anchor], ...] = (
            (reach, middle, "start"),
            (-reach, middle, "end"),
            (slant, -slant, "start"),
            (slant, slant + 2 * middle, "start"),
            (-slant, -slant, "end"),
            (-slant, slant + 2 * middle, "end"),
            (0.0, -reach, "middle"),
            (0.0, reach + 2 * middle, "middle"),
        )
        for order, (right, down, anchor) in enumerate(around):
            x, y = spot.x + right, spot.y + down
            box = text_box(spot.text, x, y, anchor, size)
            found.append((40.0 * far + order, Caption(spot, x, y, anchor, box, far > 0)))
    return found
