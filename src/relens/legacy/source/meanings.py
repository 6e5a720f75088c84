"""Python 2's meaning of operators, built-ins and methods, called by code that `python2` has rewritten."""

import codecs
import decimal
import functools
import importlib
import itertools
import sys
import types
from collections.abc import Callable, ItemsView, Iterable, KeysView, ValuesView
from numbers import Integral
from typing import Any

CODECS = {"base64", "hex", "zlib", "zip", "bz2"}
"""Codecs between bytes and bytes, which Python 2 had on every string."""

CHANGED = ("filter", "map", "range", "round", "sorted", "zip")
GONE = ("StandardError", "apply", "basestring", "buffer", "cmp", "file", "intern", "long", "raw_input", "reduce")
GONE_TOO = ("reload", "unichr", "unicode", "xrange")
BUILTINS = {name: f"old_{name}" for name in CHANGED} | {name: name for name in (*GONE, *GONE_TOO)}
"""Old built-ins, and what each is called in this module."""

StandardError = Exception
basestring = (str, bytes)  # for isinstance, which is all that it was good for
buffer = memoryview
file = open
intern = sys.intern
long = int
raw_input = input
reduce = functools.reduce
unichr = chr
xrange = range


def divide(left: Any, right: Any) -> Any:
    """`left / right`: floored where both are integers, NumPy's integers and arrays of integers included."""
    return left // right if _is_integer(left) and _is_integer(right) else left / right


class Divisor:
    """The right side of `x /= y`, so that `x`, be it `a[f()].b`, is computed once and an array changes in place."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __rtruediv__(self, left: Any) -> Any:
        return divide(left, self.value)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """What NumPy calls for `array /= self`, with `out` in place."""
        left, out = inputs[0], kwargs.pop("out", None)
        if out is None:
            return divide(left, self.value)
        if _is_integer(left) and _is_integer(self.value):
            out[0][...] = left // self.value
            return out[0]
        return getattr(ufunc, method)(left, self.value, out=out, **kwargs)


def _is_integer(value: Any) -> bool:
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return isinstance(value, Integral) if kind is None else kind in "iub"


def listed(thing: Any, method: str) -> Any:
    """`thing.keys()` and its like: a list if it would be a view."""
    result = getattr(thing, method)()
    return list(result) if isinstance(result, KeysView | ValuesView | ItemsView) else result


def iterated(thing: Any, method: str) -> Any:
    """`thing.iteritems()` and its like, of a dictionary that has only `items()`."""
    own = getattr(thing, method, None)
    if own is not None:
        return own()
    view = getattr(thing, method.removeprefix("iter").removeprefix("view"))()
    return view if method.startswith("view") else iter(view)


def has_key(thing: Any, key: Any) -> Any:
    """`thing.has_key(key)`."""
    own = getattr(thing, "has_key", None)
    return own(key) if own is not None else key in thing


def advance(thing: Any) -> Any:
    """`thing.next()`."""
    own = getattr(thing, "next", None)
    return own() if own is not None else next(thing)


def sort(
    thing: Any,
    cmp: Callable[[Any, Any], int] | None = None,
    key: Callable[[Any], Any] | None = None,
    reverse: bool = False,
) -> Any:
    """`thing.sort(cmp, key, reverse)`."""
    return thing.sort(key=_key(cmp, key), reverse=reverse)


def transcode(thing: Any, method: str, codec: str) -> Any:
    """`thing.encode("base64")` and its like; base64 and hexadecimal digits are text afterwards."""
    if isinstance(thing, str):
        thing = thing.encode("utf-8")
    coded = getattr(codecs, method)(thing, codec)
    return coded.decode("ascii") if method == "encode" and codec in ("base64", "hex") else coded


class _AsciiText(str):
    """Text that can be decoded again, as Python 2's strings could."""

    def decode(self, encoding: str = "ascii", errors: str = "strict") -> str:
        """The same."""
        return str(self)


def ascii_text(data: bytes) -> str:
    """What base64 gave Python 2: something to put into JSON, or behind other text."""
    return _AsciiText(data.decode("ascii"))


def message(error: BaseException) -> Any:
    """`error.message`: its only argument."""
    own = getattr(error, "message", None)
    return own if own is not None else error.args[0] if len(error.args) == 1 else ""


def apply(function: Callable[..., Any], args: Iterable[Any] = (), kwargs: dict[str, Any] | None = None) -> Any:
    """`function(*args, **kwargs)`."""
    return function(*args, **kwargs or {})


def cmp(left: Any, right: Any) -> int:
    """-1, 0 or 1."""
    return int(left > right) - int(left < right)


def reload(module: types.ModuleType) -> types.ModuleType:
    """The module loaded again; of `sys` only to get back `setdefaultencoding`, which is there."""
    return module if module is sys else importlib.reload(module)


def old_filter(function: Callable[[Any], Any] | None, items: Iterable[Any]) -> Any:
    """A list; of a string a string, of a tuple a tuple."""
    kept = list(filter(function, items))
    if isinstance(items, str):
        return "".join(kept)
    return tuple(kept) if isinstance(items, tuple) else kept


def old_map(function: Callable[..., Any] | None, *items: Iterable[Any]) -> list[Any]:
    """A list; shorter sequences are filled up with None."""
    if len(items) == 1:
        return [item if function is None else function(item) for item in items[0]]
    rows = itertools.zip_longest(*items)
    return [row if function is None else function(*row) for row in rows]


def old_range(*bounds: Any) -> list[int]:
    """A list."""
    return list(range(*bounds))


def old_round(number: Any, ndigits: int = 0) -> float:
    """A float, with halves away from zero."""
    value = float(number)
    exact = decimal.Decimal(value)
    if not exact.is_finite() or ndigits > 22:  # more digits than a float has
        return value
    with decimal.localcontext() as context:
        context.prec = 400
        return float(exact.quantize(decimal.Decimal(1).scaleb(-ndigits), decimal.ROUND_HALF_UP))


def old_sorted(
    items: Iterable[Any],
    cmp: Callable[[Any, Any], int] | None = None,
    key: Callable[[Any], Any] | None = None,
    reverse: bool = False,
) -> list[Any]:
    """With `cmp` in second place."""
    return sorted(items, key=_key(cmp, key), reverse=reverse)


def old_zip(*items: Iterable[Any]) -> list[tuple[Any, ...]]:
    """A list."""
    return list(zip(*items, strict=False))


def _key(compare: Callable[[Any, Any], int] | None, key: Callable[[Any], Any] | None) -> Callable[[Any], Any] | None:
    if compare is None:
        return key
    rank = functools.cmp_to_key(compare)
    return rank if key is None else lambda item: rank(key(item))


class _Text(type):
    def __instancecheck__(cls, value: object) -> bool:
        return isinstance(value, str)


class unicode(str, metaclass=_Text):  # noqa: N801
    """`unicode(x)`, `unicode(x, "utf-8")` and `isinstance(x, unicode)`; what it makes is a plain `str`."""

    def __new__(cls, value: Any = "", encoding: str = "ascii", errors: str = "strict") -> str:  # type: ignore[misc]
        """Of bytes with an encoding the text; of anything else `str(value)`."""
        return value.decode(encoding, errors) if isinstance(value, bytes) else str(value)
