"""What OpenCV 3 let pass or had: names that begin with CV_, cascade classifiers, and points that need not be integers.

OpenCV's own bindings always asked for integer points, but Python 2 divided integers into integers. So that a function
which Python 3 can parse too draws its boxes, points with a fraction are rounded towards zero: only where OpenCV has
refused the call, and never a value that may have a fraction, such as a font's scale.
"""

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from relens.errors import LegacyTrouble
from relens.legacy.source.old.library import add_missing

# What takes points or sizes, with those arguments that may have a fraction, by place and by name.
_POINTS: dict[str, tuple[int | str, ...]] = {
    "arrowedLine": (7, "tipLength"),
    "circle": (),
    "clipLine": (),
    "drawMarker": (),
    "ellipse": (3, 4, 5, "angle", "startAngle", "endAngle"),
    "fillConvexPoly": (),
    "fillPoly": (),
    "line": (),
    "polylines": (),
    "putText": (4, "fontScale"),
    "rectangle": (),
    "resize": (3, 4, "fx", "fy"),
}
_PREFIXES = ("", "COLOR_", "LINE_", "IMREAD_", "INTER_")


def patch() -> None:
    """Adds what is missing, and lets points through as above."""
    add_missing(cv2, {"cv": _Old("cv2.cv"), "CV_AA": cv2.LINE_AA, "CascadeClassifier": CascadeClassifier})
    add_missing(cv2, {f"CV_{name}": getattr(cv2, name) for name in vars(cv2) if name.startswith("CAP_PROP_")})
    add_missing(cv2, {"CV_LOAD_IMAGE_COLOR": cv2.IMREAD_COLOR, "CV_LOAD_IMAGE_GRAYSCALE": cv2.IMREAD_GRAYSCALE})
    for name, fractions in _POINTS.items():
        function = getattr(cv2, name)
        if not hasattr(function, "__wrapped__"):
            setattr(cv2, name, _with_whole_points(function, fractions))


class CascadeClassifier:
    """Stands where OpenCV 5 has none any more."""

    def __init__(self, filename: str = "a cascade") -> None:
        raise LegacyTrouble(
            "RL-LEGACY-012",
            f"cv2.CascadeClassifier ({filename}): OpenCV {cv2.__version__} has no cascade classifiers any more",
            hint="detect with a model: awscam.Model('face-detection.xml', {'GPU': 1}) with a bundle for that name; "
            "or python -m pip install 'opencv-python-headless<5'",
        )


class _Old(ModuleType):
    """OpenCV 1's constants: `cv2.cv.CV_BGR2GRAY` is `cv2.COLOR_BGR2GRAY`."""

    def __getattr__(self, name: str) -> Any:
        if name == "CV_FOURCC":
            return cv2.VideoWriter.fourcc
        plain = name.removeprefix("CV_").replace("LOAD_IMAGE_", "IMREAD_")
        for prefix in _PREFIXES if name.startswith("CV_") else ():
            if hasattr(cv2, prefix + plain):
                return getattr(cv2, prefix + plain)
        raise AttributeError(f"module 'cv2.cv' has no attribute {name!r}")


def _with_whole_points(function: Callable[..., Any], fractions: tuple[int | str, ...]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except (TypeError, cv2.error):
            whole = [_whole(value, allowed=at in fractions) for at, value in enumerate(args)]
            named = {name: _whole(value, allowed=name in fractions) for name, value in kwargs.items()}
            if _same(whole, args) and _same(list(named.values()), tuple(kwargs.values())):
                raise
            return function(*whole, **named)

    return call


def _whole(value: Any, *, allowed: bool) -> Any:
    """The value with integers for floats: a number, a point, an array of points or a list of such."""
    if allowed:
        return value
    if isinstance(value, float | np.floating):
        return int(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.ndim and value.shape[-1] == 2:
        return value.astype(np.int32)
    if isinstance(value, tuple | list):
        whole = [_whole(item, allowed=False) for item in value]
        return value if _same(whole, value) else type(value)(whole)
    return value


def _same(left: list[Any], right: tuple[Any, ...] | list[Any]) -> bool:
    return all(a is b for a, b in zip(left, right, strict=True))
