"""Names that NumPy dropped: `np.int0`, `np.float`, `np.asscalar`, `np.fromstring` of bytes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from relens.legacy.source.old.library import add_missing


def patch() -> None:
    """Adds what is missing, and prints numbers as NumPy 1 did: `str([x])` has `0.5`, not `np.float32(0.5)`."""
    types = {"float": float, "int": int, "object": object, "str": str, "complex": complex, "unicode": str, "bool": bool}
    scalars = {
        "int0": np.intp, "uint0": np.uintp, "float_": np.float64, "complex_": np.complex128, "bool8": np.bool_,
        "unicode_": np.str_, "string_": np.bytes_, "object0": np.object_,
    }  # fmt: skip
    numbers = {
        "Inf": np.inf,
        "Infinity": np.inf,
        "infty": np.inf,
        "PINF": np.inf,
        "NINF": -np.inf,
        "NaN": np.nan,
        "NAN": np.nan,
    }
    functions = {
        "asscalar": _asscalar, "product": np.prod, "cumproduct": np.cumprod, "sometrue": np.any, "alltrue": np.all,
        "in1d": _in1d, "round_": np.round, "row_stack": np.vstack, "msort": _msort, "trapz": np.trapezoid,
        "mat": np.asmatrix,
    }  # fmt: skip
    add_missing(np, {**types, **scalars, **numbers, **functions})
    if not hasattr(np.fromstring, "__wrapped__"):
        np.fromstring = _fromstring(np.fromstring)
    np.set_printoptions(legacy="1.25")


def _fromstring(today: Callable[..., Any]) -> Callable[..., Any]:
    def fromstring(string: Any, dtype: Any = float, count: int = -1, *, sep: str = "", **kwargs: Any) -> Any:
        """As ever: of bytes without a separator a new array of their values."""
        if sep == "":
            data = string.encode("latin-1") if isinstance(string, str) else string
            return np.frombuffer(data, dtype, count).copy()
        return today(string, dtype, count, sep=sep, **kwargs)

    fromstring.__wrapped__ = today  # type: ignore[attr-defined]
    return fromstring


def _asscalar(array: Any) -> Any:
    return array.item()


def _in1d(values: Any, test: Any, assume_unique: bool = False, invert: bool = False) -> Any:
    return np.isin(np.ravel(values), test, assume_unique=assume_unique, invert=invert)


def _msort(array: Any) -> Any:
    return np.sort(array, axis=0)
