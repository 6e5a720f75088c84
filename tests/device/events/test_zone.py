import pytest

from relens.device.events.zone import Zone

FRAME = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
STAR = ((0.5, 0.0), (0.8, 1.0), (0.0, 0.4), (1.0, 0.4), (0.2, 1.0))
ELL = ((0.0, 0.0), (0.5, 0.0), (0.5, 0.5), (1.0, 0.5), (1.0, 1.0), (0.0, 1.0))


def test_things_cut_off_by_the_frame_are_in_a_zone_that_ends_there() -> None:
    for x, y in [(0.5, 1.0), (0.0, 0.5), (1.0, 1.0), (0.0, 0.0), (1.0, 0.3)]:
        assert Zone(FRAME).holds(x, y), (x, y)


@pytest.mark.parametrize(("x", "y", "inside"), [(0.25, 0.25, True), (0.75, 0.25, False), (0.75, 0.75, True)])
def test_a_zone_may_have_corners_that_point_inwards(x: float, y: float, inside: bool) -> None:
    assert Zone(ELL).holds(x, y) is inside


def test_a_zone_that_crosses_itself_is_even_odd() -> None:
    assert Zone(STAR).holds(0.5, 0.2)
    assert not Zone(STAR).holds(0.5, 0.55), "twice around is outside"


def test_a_point_on_any_edge_or_corner_is_inside_whichever_way_around() -> None:
    triangle = ((0.0, 0.0), (1.0, 0.5), (0.25, 1.0))
    for corners in (triangle, triangle[::-1]):
        for point in [*triangle, (0.5, 0.25), (0.125, 0.5)]:
            assert Zone(corners).holds(*point), (corners, point)
        assert not Zone(corners).holds(0.5, 0.2499)


def test_a_ray_through_a_corner_counts_it_once() -> None:
    diamond = ((0.5, 0.0), (1.0, 0.5), (0.5, 1.0), (0.0, 0.5))
    assert Zone(diamond).holds(0.5, 0.5)
    assert not Zone(((0.2, 0.5), (0.4, 0.2), (0.4, 0.8))).holds(0.1, 0.5)
