"""What Python 2 code means. Every expected value was printed by Python 2.7.18."""

from typing import Any

import numpy as np
import pytest

from relens.legacy.source import adapt

# (expression, value) as Python 2.7.18 has it
MEANINGS: list[tuple[str, Any]] = [
    ("7 / 2", 3),
    ("-7 / 2", -4),
    ("7 / 2.0", 3.5),
    ("7.0 / 2", 3.5),
    ("True / 2", 0),
    ("10 / 4 * 4", 8),
    ("(640 - 480) / 2", 80),
    ("'abcdef'[len('abcdef') / 2]", "d"),
    ("round(2.5)", 3.0),
    ("round(-2.5)", -3.0),
    ("round(0.5)", 1.0),
    ("round(2.675, 2)", 2.67),
    ("round(0.125, 2)", 0.13),
    ("round(1234.5, -2)", 1200.0),
    ("round(5)", 5.0),
    ("round(float('inf'))", float("inf")),
    ("map(int, '123')", [1, 2, 3]),
    ("map(None, [1, 2], [3])", [(1, 3), (2, None)]),
    ("map(lambda a, b: (a, b), [1, 2], [3])", [(1, 3), (2, None)]),
    ("filter(None, [0, 1, 2])", [1, 2]),
    ("filter(lambda c: c > 'a', 'abc')", "bc"),
    ("filter(None, (0, 1))", (1,)),
    ("zip([1, 2], 'ab')[0]", (1, "a")),
    ("range(3) + [9]", [0, 1, 2, 9]),
    ("list(xrange(1, 4, 2))", [1, 3]),
    ("reduce(lambda a, b: a + b, [1, 2, 3])", 6),
    ("sorted([3, 1, 2], lambda a, b: cmp(b, a))", [3, 2, 1]),
    ("sorted(['b', 'A'], cmp=lambda a, b: cmp(a, b), key=lambda s: s.lower())", ["A", "b"]),
    ("sorted([1, 2], reverse=True)", [2, 1]),
    ("sorted({'a': 1, 'b': 0}.items(), key=lambda (k, v): v)", [("b", 0), ("a", 1)]),
    ("{'a': 1}.keys()[0]", "a"),
    ("{'a': 1}.values()[0] / 2", 0),
    ("{'a': 1}.items()[0]", ("a", 1)),
    ("{'a': 1}.has_key('a')", True),
    ("list({'a': 1}.iteritems())", [("a", 1)]),
    ("{'a': 1}.itervalues().next()", 1),
    ("sorted({'a': 1}.viewkeys())", ["a"]),
    ("iter('ab').next()", "a"),
    ("apply(max, [1, 2])", 2),
    ("isinstance('a', basestring), isinstance(1, basestring)", (True, False)),
    ("isinstance(u'a', unicode)", True),
    ("unicode('a', 'utf-8') + unicode(1)", "a1"),
    ("unicode()", ""),
    ("unichr(65), long('7'), 10L, 0755, `[1]`", ("A", 7, 10, 493, "[1]")),
    ("1 <> 2", True),
    ("cmp(1, 2), cmp('b', 'a'), cmp(1, 1)", (-1, 1, 0)),
    ("'hello'.encode('base64')", "aGVsbG8=\n"),
    ("'hi'.encode('hex')", "6869"),
    ("[x for x in 1, 2]", [1, 2]),
    ("'%d' % (7 / 2)", "3"),
    ("'{:.2f}'.format(1 / 3.)", "0.33"),
]


def run(source: str) -> dict[str, Any]:
    space: dict[str, Any] = {}
    exec(adapt(source.encode(), "old.py", python=2).code, space)
    return space


@pytest.mark.parametrize(("expression", "expected"), MEANINGS, ids=[item[0] for item in MEANINGS])
def test_an_expression_has_the_value_that_it_had(expression: str, expected: object) -> None:
    value = run(f"value = {expression}\n")["value"]
    assert value == expected
    assert type(value) is type(expected)


BLOCKS = [
    ("x = 7\nx /= 2\n", 3),
    ("x = 7.0\nx /= 2\n", 3.5),
    ("a = [9]\na[0] /= 2\nx = a[0]\n", 4),
    ("class A: pass\na = A()\na.b = 9\na.b /= 2\nx = a.b\n", 4),
    ("def one():\n    made.append(1)\n    return 0\nmade, a = [], [9]\na[one()] /= 2\nx = made\n", [1]),
    ("a = [2, 1]\na.sort(lambda a, b: cmp(a, b))\nx = a\n", [1, 2]),
    ("a = [1, 2]\na.sort(cmp=lambda a, b: b - a)\nx = a\n", [2, 1]),
    ("try:\n    raise ValueError, 'why'\nexcept ValueError, e:\n    x = e.message\n", "why"),
    ("try:\n    raise ValueError('a', 'b')\nexcept ValueError as e:\n    x = e.message\n", ""),
    ("try:\n    1 / 0\nexcept ZeroDivisionError, e:\n    pass\nx = type(e).__name__\n", "ZeroDivisionError"),
    ("def f((a, b), c):\n    return a, b, c\nx = f((1, 2), 3)\n", (1, 2, 3)),
    ("space = {}\nexec 'y = 3 * 2' in space\nx = space['y']\n", 6),
    ("class A:\n    def __nonzero__(self): return False\nx = bool(A())\n", False),
    ("class A:\n    def __div__(self, n): return n * 2\nx = A() / 4\n", 8),
    ("class A:\n    def __iter__(self): return self\n    def next(self): raise StopIteration\nx = list(A())\n", []),
    ("class A:\n    def has_key(self, k): return 'own'\n    def keys(self): return 5\nx = A().has_key(1), A().keys()\n",
     ("own", 5)),
    ("class M(type):\n    def hi(cls): return 'hi'\nclass A(object):\n    __metaclass__ = M\nx = A.hi()\n", "hi"),
    ("from __future__ import division\nx = 7 / 2\n", 3.5),
    ("from __future__ import print_function\nprint('', end='')\nx = 7 / 2, 0755\n", (3, 493)),
    ("def range(n): return n\nx = range(2)\n", 2),
    ("def f(map): return map / 2\nx = f(5)\n", 2),
    ("x = 1\ndef f():\n    for i in range(2):\n        x = i\n        global x\nf()\n", 1),
    ("import base64, json\nx = json.dumps('data:' + base64.b64encode(b'hi'))\n", '"data:aGk="'),
    ("import base64\nx = base64.b64encode(b'hi').decode('utf-8')\n", "aGk="),
    ("import sys\nreload(sys)\nx = 1\n", 1),
]  # fmt: skip


@pytest.mark.parametrize(("source", "expected"), BLOCKS, ids=[item[0].splitlines()[0][:40] for item in BLOCKS])
def test_a_block_does_what_it_did(source: str, expected: object) -> None:
    assert run(source)["x"] == expected


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_arrays_of_integers_floor(kind: type) -> None:
    space = run("def halve(a):\n    return a / 2\ndef halve_in_place(a):\n    a /= 2\n    return a\n")
    array = np.array([3, 4, 255], kind)
    assert space["halve"](array).tolist() == [1, 2, 127]
    assert space["halve"](array).dtype == array.dtype
    assert space["halve_in_place"](array) is array
    assert array.tolist() == [1, 2, 127]
    assert space["halve"](array[0]) == 0


def test_arrays_of_floats_do_not() -> None:
    space = run("def scale(a):\n    b = a / 2\n    a /= 2\n    return b\n")
    array = np.array([3, 4], np.float32)
    assert space["scale"](array).tolist() == array.tolist() == [1.5, 2.0]
    assert array.dtype == np.float32


def test_the_first_lines_stay_first() -> None:
    space = run('"""About."""\nfrom __future__ import absolute_import\nx = map(abs, [-1]) / None if 0 else 1\n')
    assert (space["__doc__"], space["x"]) == ("About.", 1)
