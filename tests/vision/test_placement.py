import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relens.vision.placement import place

sizes = st.tuples(st.integers(16, 2000), st.integers(16, 2000))


@given(frame=sizes, size=st.tuples(st.integers(16, 640), st.integers(16, 640)))
@pytest.mark.parametrize("resize", ["stretch", "letterbox", "letterbox-top-left"])
def test_the_whole_frame_maps_into_the_input_and_back(
    frame: tuple[int, int], size: tuple[int, int], resize: str
) -> None:
    placement = place(frame, size, resize)
    x, y = placement.offset_x, placement.offset_y
    inner = np.array([[x, y, x + placement.inner[1], y + placement.inner[0]]], np.float32)
    assert inner.min() >= 0
    assert inner[0, 2] <= size[1] and inner[0, 3] <= size[0]
    np.testing.assert_allclose(placement.to_frame(inner), [[0, 0, frame[1], frame[0]]], atol=1e-2)


@given(frame=sizes, size=st.tuples(st.integers(16, 640), st.integers(16, 640)))
def test_crop_fills_the_input(frame: tuple[int, int], size: tuple[int, int]) -> None:
    placement = place(frame, size, "crop")
    assert placement.inner[0] >= size[0] and placement.inner[1] >= size[1]
    assert placement.offset_x <= 0 and placement.offset_y <= 0


def test_boxes_are_clipped_to_the_frame() -> None:
    boxes = place((100, 200), (50, 50), "stretch").to_frame(np.array([[-5, 10, 60, 20]], np.float32))
    np.testing.assert_allclose(boxes, [[0, 20, 200, 40]])
