"""A part of the frame."""

from collections.abc import Sequence

Point = tuple[float, float]


class Zone:
    """A polygon, also one that crosses itself: inside by the even-odd rule, and so is a point on an edge.

    Args:
        corners: three or more, x and y as fractions 0..1 of the frame.
    """

    def __init__(self, corners: Sequence[Point]) -> None:
        self._edges = list(zip(corners, [*corners[1:], corners[0]], strict=True))

    def holds(self, x: float, y: float) -> bool:
        """Whether the point is inside; x and y as fractions 0..1 of the frame."""
        inside = False
        for edge in self._edges:
            if _lies_on(edge, x, y):
                return True  # the frame's own border is the commonest edge, and things are cut off there
            inside ^= _crosses(edge, x, y)
        return inside


def _lies_on(edge: tuple[Point, Point], x: float, y: float) -> bool:
    (x1, y1), (x2, y2) = edge
    between = min(x1, x2) <= x <= max(x1, x2) and min(y1, y2) <= y <= max(y1, y2)
    return between and (x - x1) * (y2 - y1) == (y - y1) * (x2 - x1)


def _crosses(edge: tuple[Point, Point], x: float, y: float) -> bool:
    """Whether a ray from the point to the right crosses the edge, whose upper end belongs to it and lower does not."""
    (x1, y1), (x2, y2) = edge
    return (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1)
