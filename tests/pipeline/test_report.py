import base64
import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from relens.graph import Graph
from relens.measure.latency import Latency
from relens.measure.memory import Memory
from relens.measure.score import Score
from relens.measure.statistics import Interval, wilson
from relens.pipeline.marks import Limits, limits_of, marks_of
from relens.pipeline.option import Option
from relens.pipeline.report import Report, write_report
from relens.pipeline.side_by_side import Pair, SideBySide, View
from relens.pipeline.verdict import decide
from relens.quantize import Candidate
from relens.spec import Device, Goals, device, this_machine

VOID = {"meta", "img", "br", "wbr"}
STEPS = ("channels(1.50x)", "heal(12 epochs, 0.400 -> 0.050)", "quantize(int8)")


class Page(HTMLParser):
    """All elements and all text; elements must close in the order they open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: Any) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attributes}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_startendtag(self, tag: str, attributes: Any) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]


def option(scheme: Any, hits: int, ms: float, *, label: str = "", engine: str = "litert", **also: Any) -> Option:
    candidate = Candidate(Graph(b"x" * 1000, (), (), (), ()), scheme, STEPS if label else (), "0", label=label)
    right = np.arange(300) < hits
    score = Score("top-1", wilson(hits, 300), 300, {}, right.astype(np.float64))
    baseline = Score("top-1", wilson(276, 300), 300, {}, (np.arange(300) < 276).astype(np.float64))
    measured = {"score": score, "drop": score.drop_from(baseline), "latency": Latency(ms, ms * 1.1, ms * 1.3, 100, 5)}
    return Option(candidate, engine, **{**measured, "memory": Memory(50, 50), **also})


FLOAT = option("float32", 276, 10)
SMALL = option("int8", 275, 4, label="channels+heal")
LOSSY = option("int8", 240, 5)


def written(
    folder: Path,
    options: list[Option],
    goals: Goals | None = None,
    on: Device | None = None,
    *,
    name: str = "shapes",
    seen: SideBySide | None = None,
) -> tuple[Page, dict[str, Any]]:
    on = on or this_machine()
    source, host = {"kind": "Keras", "max_error": 1e-6}, {"processor": "p", "cores": 2, "load_average": [1.0]}
    report = Report(name, "m.keras", decide(options, goals or Goals(), on), on.title, source, host, seen)
    write_report(report, folder / "m.relens")
    values = json.loads((folder / "m.report.json").read_text())
    return Page((folder / "m.report.html").read_text()), values


def jpeg() -> bytes:
    return cv2.imencode(".jpg", np.full((24, 32, 3), 128, np.uint8))[1].tobytes()


def test_the_page_is_whole_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page, _ = written(tmp_path, [FLOAT, SMALL, LOSSY])
    assert page.open == []
    charts = [item for item in page.all("svg") if item.get("role") == "img"]
    assert len(charts) == 2 and all("channels+heal int8 on litert is chosen" in item["aria-label"] for item in charts)
    assert not page.all("script") and not page.all("link")
    text = (tmp_path / "m.report.html").read_text()
    assert "http:" not in text and "https:" not in text and "@import" not in text and "url(" not in text
    assert "prefers-color-scheme: dark" in text


def test_each_option_shows_what_was_done_to_it(tmp_path: Path) -> None:
    page, values = written(tmp_path, [FLOAT, SMALL])
    assert all(step in page.text for step in STEPS) and "3 steps" in page.text
    assert len(page.all("li")) == 3
    assert [item["recipe"] for item in values["options"]] == [list(STEPS), []]


def test_pictures_are_decodable_and_differences_are_marked_and_counted(tmp_path: Path) -> None:
    right, wrong = View(jpeg(), "circle 0.90", True), View(jpeg(), "cross 0.60", False)
    pairs = (Pair("a<1>.png", True, "circle", right, wrong), Pair("b.png", False, None, right, right))
    seen = SideBySide("float32 on litert", "int8 on litert", 900, 300, 1, "another best class", pairs)
    page, values = written(tmp_path, [FLOAT, SMALL], seen=seen)
    images = page.all("img")
    assert len(images) == 4
    for image in images:
        kind, _, data = image["src"].partition(",")
        assert kind == "data:image/jpeg;base64"
        assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR).shape == (24, 32, 3)
    assert images[1]["alt"] == "a<1>.png by int8 on litert: cross 0.60"
    assert "differ on 1 of 300 (of 900) pictures" in page.text and "another best class" in page.text
    assert sum(item.get("class") == "badge" for item in page.all("span")) == 1
    assert values["side_by_side"]["differing"] == 1 and values["side_by_side"]["compared"] == 300
    assert values["side_by_side"]["pairs"][0]["chosen"] == "cross 0.60"


def test_a_name_is_text_whatever_it_holds(tmp_path: Path) -> None:
    page, _ = written(tmp_path, [FLOAT, option("int8", 275, 4, label="<b>", engine="<i>")], name="<b>&$name")
    assert "<b>&$name" in page.text and [item["class"] for item in page.all("b")] == ["good"]
    assert "<b> int8 on <i>" in page.text and not page.all("i")


def test_without_any_measurement_there_is_a_page_without_a_chart(tmp_path: Path) -> None:
    refused = Option(FLOAT.candidate, "litert", refused="litert refuses it")
    page, values = written(tmp_path, [refused])
    assert not page.all("svg") and "No option meets the goals" in page.text
    assert values["side_by_side"] is None


def test_what_was_not_measured_is_counted_below_the_chart(tmp_path: Path) -> None:
    page, _ = written(tmp_path, [FLOAT, replace(SMALL, latency=None), replace(LOSSY, score=None)])
    assert "not measured, so not shown: 2" in page.text
    assert sum("mark" in item.get("class", "").split() for item in page.all("g")) == 2, "one mark in each of two charts"


def test_a_model_that_answers_with_no_numbers_does_not_spoil_the_report(tmp_path: Path) -> None:
    nothing = Interval(float("nan"), float("nan"), float("nan"))
    assert LOSSY.score is not None
    broken = replace(LOSSY, score=replace(LOSSY.score, interval=nothing), drop=nothing)
    page, _ = written(tmp_path, [FLOAT, SMALL, broken])
    assert "not measured, so not shown: 1" in page.text and "goal: at least 0.900" in page.text


def test_the_chosen_one_stands_beside_the_float_model_in_figures(tmp_path: Path) -> None:
    page, _ = written(tmp_path, [FLOAT, SMALL])
    assert "4.00 msfloat32 on litert: 10.00 ms" in page.text
    alone, _ = written(tmp_path, [FLOAT])
    assert "float32 on litert: " not in alone.text.split("Every option")[0].split("MB")[0]


def test_options_become_marks_with_their_fate() -> None:
    verdict = decide([FLOAT, SMALL, LOSSY, replace(LOSSY, latency=None)], Goals(), this_machine())
    fates = {mark.name: (mark.chosen, mark.reference, mark.missed) for mark in marks_of(verdict)}
    assert fates == {
        "channels+heal int8 on litert": (True, False, False),
        "float32 on litert": (False, True, False),
        "int8 on litert": (False, False, True),
    }


@pytest.mark.parametrize(
    ("options", "goals", "on", "expected"),
    [
        ([FLOAT, SMALL], Goals(max_accuracy_drop=0.05), this_machine(), Limits(0.87, None)),
        ([SMALL], Goals(max_accuracy_drop=0.05, max_latency_ms=7), this_machine(), Limits(0.87, 7)),
        ([FLOAT], Goals(max_latency_ms=7), device("deeplens"), Limits(0.90, None)),
        ([replace(FLOAT, score=None, drop=None)], Goals(), this_machine(), Limits(None, None)),
    ],
)
def test_limits_are_counted_from_the_float_model_and_only_those_provable_here(
    options: list[Option], goals: Goals, on: Device, expected: Limits
) -> None:
    found = limits_of(decide(options, goals, on))
    assert found.most_latency_ms == expected.most_latency_ms
    assert found.least_accuracy == pytest.approx(expected.least_accuracy)
