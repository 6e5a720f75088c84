"""Calls that NumPy and OpenCV changed, in functions of either language."""

from typing import Any

import cv2
import numpy as np
import pytest

from relens.legacy.source import adapt


def run(source: str, **names: Any) -> Any:
    exec(adapt(source.encode(), "old.py").code, names)
    return names["x"]


def test_an_array_and_a_jpeg_give_their_bytes() -> None:
    source = "x = a.tostring(), cv2.imencode('.png', a)[1].tostring()\n"
    plain, picture = run(source, a=np.zeros((2, 2), np.uint8), cv2=cv2)
    assert plain == b"\0\0\0\0"
    assert picture.startswith(b"\x89PNG")


def test_tostring_of_an_element_stays() -> None:
    source = "import xml.etree.ElementTree as ET\nx = ET.tostring(ET.fromstring('<a>1</a>'))\n"
    assert run(source) == b"<a>1</a>"


def test_tostring_of_their_own_stays() -> None:
    assert run("class A:\n    def tostring(self):\n        return 'mine'\nx = A().tostring()\n") == "mine"


@pytest.mark.parametrize(
    "take",
    [
        "image, contours, hierarchy = cv2.findContours(m, 0, 2)",
        "_, contours, _ = cv2.findContours(m.copy(), 0, 2)",
        "contours, hierarchy = cv2.findContours(m, 0, 2)",
        "contours = cv2.findContours(m, 0, 2)[1]",
        "contours = cv2.findContours(m, 0, 2)[0]",
        "contours = cv2.findContours(m, 0, 2)[-2]",
        "found = cv2.findContours(m, 0, 2)\ncontours = found[0] if len(found) == 2 else found[1]",
    ],
)
def test_contours_are_found_however_they_are_taken(take: str) -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:10, 5:10] = 255
    assert run(f"{take}\nx = [cv2.contourArea(c) for c in contours]\n", cv2=cv2, m=mask) == [16.0]


def test_the_picture_that_came_first_is_the_one_passed_in() -> None:
    mask = np.zeros((4, 4), np.uint8)
    assert run("x, c, h = cv2.findContours(m, 0, 2)\n", cv2=cv2, m=mask) is mask
