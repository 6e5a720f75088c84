from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from relens.measure.statistics import Interval, wilson
from relens.pipeline.chart import NARROW, WIDE, Shape, chart, symbol
from relens.pipeline.marks import Limits, Mark, front

FLOAT = Mark("float32", "litert", wilson(276, 300), 10.0, 12.0, 4.0, reference=True)
FAST = Mark("int8", "litert", wilson(273, 300), 4.0, 5.0, 1.0, chosen=True)
LOSSY = Mark("dynamic", "openvino", wilson(255, 300), 6.0, 6.5, 1.0, missed=True)
NO_LIMITS = Limits()


def drawn(marks: list[Mark], limits: Limits = NO_LIMITS, shape: Shape = WIDE) -> ElementTree.Element:
    return ElementTree.fromstring(chart(marks, limits, accuracy="top-1, 300 pictures", latency="ms", shape=shape))


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [item for item in root.iter() if name in item.get("class", "").split()]


def texts(root: ElementTree.Element, name: str) -> list[str]:
    return [item.text or "" for item in of_class(root, name)]


def group(root: ElementTree.Element, name: str) -> ElementTree.Element:
    (found,) = [item for item in of_class(root, "mark") if (item.findtext("title") or "").startswith(f"{name}:")]
    return found


def ends(line: ElementTree.Element) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = (float(line.get(key, "nan")) for key in ("x1", "y1", "x2", "y2"))
    return x1, y1, x2, y2


def place(root: ElementTree.Element, mark: Mark) -> tuple[float, float]:
    """Where the whiskers cross: x of the upright one, y of the level one."""
    upright, level = of_class(group(root, mark.name), "whisker")
    return ends(upright)[0], ends(level)[1]


@pytest.mark.parametrize("shape", [WIDE, NARROW])
def test_marks_lie_as_their_latencies_and_accuracies_do(shape: Shape) -> None:
    root = drawn([FLOAT, FAST, LOSSY], shape=shape)
    places = [place(root, mark) for mark in (FAST, LOSSY, FLOAT)]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert place(root, FLOAT)[1] < place(root, FAST)[1] < place(root, LOSSY)[1], "higher accuracy is higher up"
    assert all(0 < x < shape.width and 0 < y < shape.height for x, y in places)


def test_whiskers_span_the_interval_and_reach_from_median_to_p90() -> None:
    root = drawn([FLOAT, FAST, LOSSY])
    upright, level = (ends(line) for line in of_class(group(root, FLOAT.name), "whisker"))
    x, y = place(root, FLOAT)
    assert upright[1] > y > upright[3] and upright[0] == upright[2] == x
    value, low, high = FLOAT.accuracy.value, FLOAT.accuracy.low, FLOAT.accuracy.high
    assert abs((upright[1] - y) / (y - upright[3]) - (value - low) / (high - value)) < 0.05
    per_ms = (x - place(root, LOSSY)[0]) / (FLOAT.latency_ms - LOSSY.latency_ms)
    assert abs((level[2] - level[0]) - per_ms * 2.0) < 0.5


def test_the_area_of_a_mark_grows_with_its_file() -> None:
    root = drawn([FLOAT, FAST])
    small, large = (group(root, mark.name).find("path") for mark in (FAST, FLOAT))
    assert small is not None and large is not None
    radii = [float(path.get("d", "").split("a")[1].split()[0]) for path in (small, large)]
    assert abs(radii[1] ** 2 / radii[0] ** 2 - 4.0) < 0.1, radii


def test_symbols_of_all_engines_have_one_area() -> None:
    for number in (1, 2, 3):
        numbers = symbol(number, 50, 50, 10).split('"')[1].strip("Mz").split()
        x, y = np.array(numbers, float).reshape(-1, 2).T
        area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
        assert abs(area - np.pi * 100) < 5, number


def test_the_chosen_one_is_ringed_and_named_and_what_misses_a_goal_is_pale() -> None:
    root = drawn([FLOAT, FAST, LOSSY])
    assert of_class(group(root, FAST.name), "ring") and len(of_class(root, "ring")) == 1
    assert texts(root, "name") == ["int8 on litert, chosen", "float32 on litert"]
    assert "missed" in group(root, LOSSY.name).get("class", "")
    assert "misses a goal" in (group(root, LOSSY.name).findtext("title") or "")
    assert root.get("role") == "img" and "int8 on litert is chosen" in root.get("aria-label", "")


def test_goals_are_lines_between_what_meets_and_what_misses_them() -> None:
    root = drawn([FLOAT, FAST, LOSSY], Limits(0.90, 8.0))
    level, upright = (ends(line) for line in of_class(root, "limit"))
    assert place(root, FAST)[1] < level[1] == level[3] < place(root, LOSSY)[1]
    assert place(root, LOSSY)[0] < upright[0] == upright[2] < place(root, FLOAT)[0]
    assert texts(root, "goal") == ["goal: at least 0.900", "goal: at most 8 ms"]


def test_a_goal_far_off_is_an_arrow_and_does_not_squeeze_the_marks() -> None:
    root = drawn([FLOAT, FAST], Limits(0.2, 500.0))
    assert of_class(root, "limit") == []
    assert texts(root, "goal") == ["goal: at least 0.200 ↓", "goal: at most 500 ms →"]
    assert place(root, FLOAT)[0] - place(root, FAST)[0] > WIDE.width / 2


def test_a_broken_option_stands_at_the_foot_with_its_value_and_does_not_squeeze_the_others() -> None:
    broken = Mark("int8", "openvino", wilson(3, 300), 3.0, 3.5, 1.0, missed=True)
    root = drawn([FLOAT, FAST, broken], Limits(0.90))
    assert texts(root, "below") == ["int8 on openvino: 0.010 ↓"]
    foot = max(float(line.get("y1", 0)) for line in of_class(root, "base"))
    assert foot - 20 < place(root, broken)[1] < foot
    assert place(root, FAST)[1] - place(root, FLOAT)[1] > 20


def test_without_an_accuracy_goal_nothing_is_far_below() -> None:
    broken = replace(FAST, accuracy=Interval(0.0, 0.0, 0.01))
    assert texts(drawn([FLOAT, broken]), "below") == []


def test_one_option_alone_is_drawn() -> None:
    root = drawn([FAST], Limits(0.9, 5.0))
    assert len(of_class(root, "mark")) == 1 and len(of_class(root, "tick")) > 4


def test_equal_latencies_lie_on_one_line_upright() -> None:
    twins = [FAST, replace(LOSSY, latency_ms=4.0, p90_ms=4.0), replace(FLOAT, latency_ms=4.0, p90_ms=5.0)]
    root = drawn(twins)
    assert len({place(root, mark)[0] for mark in twins}) == 1


def test_nothing_measured_draws_nothing() -> None:
    assert chart([], Limits(), accuracy="a", latency="b") == ""


def test_names_are_text_and_never_markup() -> None:
    odd = replace(FAST, candidate="<b>&\"'", engine="</svg>")
    root = drawn([FLOAT, odd])
    assert texts(root, "name")[0] == "<b>&\"' on </svg>, chosen"


def test_many_options_keep_their_names_apart() -> None:
    draw = np.random.default_rng(5)
    marks = [
        Mark(
            f"layers+heal {n}",
            ("litert", "openvino")[n % 2],
            wilson(int(270 * (1 - 0.05 * draw.random())), 300),
            float(draw.uniform(2, 30)),
            35.0,
            float(draw.uniform(0.3, 4)),
            chosen=n == 0,
            missed=n > 20,
        )
        for n in range(30)
    ]
    for shape in (WIDE, NARROW):
        root = drawn(marks, Limits(0.88, 20.0), shape)
        assert len(of_class(root, "mark")) == 30
        names = of_class(root, "name")
        assert 1 <= len(names) <= len(front(marks)) + 1
        rows = sorted((float(item.get("y", 0)), float(item.get("x", 0))) for item in names)
        assert len(set(rows)) == len(rows)
        assert "log scale" in "".join(texts(root, "axis"))


def test_the_front_holds_what_nothing_else_equals_in_both() -> None:
    twin = replace(FLOAT, engine="openvino", latency_ms=11.0)
    assert front([twin, FLOAT, LOSSY, FAST]) == [FAST, FLOAT]
    assert front([replace(FAST, latency_ms=FLOAT.latency_ms), FLOAT]) == [FLOAT]
