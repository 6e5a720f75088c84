from typing import Any

import numpy as np
import pytest

from relens.graph import Graph
from relens.measure.estimate import Estimate
from relens.measure.latency import Latency
from relens.measure.memory import Memory
from relens.measure.score import Score
from relens.measure.statistics import Interval
from relens.pipeline.option import Option
from relens.pipeline.verdict import decide
from relens.quantize import Candidate
from relens.spec import Device, Goals, device, this_machine


def option(scheme: Any, ms: float, *, kb: int = 1000, drop: float = 0.0, mb: float = 50, **also: Any) -> Option:
    graph = Graph(b"x" * kb * 1000, (), (), (), ())
    return Option(
        Candidate(graph, scheme, (), "0"),
        "litert",
        score=Score("top-1", Interval(0.9 - drop, 0.8, 1.0), 100, {}, np.ones(100)),
        drop=Interval(drop, drop - 0.01, drop + 0.01),
        latency=Latency(ms, ms * 1.1, ms * 1.3, 100, 5),
        memory=Memory(mb, mb),
        **also,
    )


HERE = this_machine()


def chosen(options: list[Option], goals: Goals, on: Device = HERE) -> str | None:
    verdict = decide(options, goals, on)
    return verdict.chosen.option.candidate.scheme if verdict.chosen else None


def test_the_fastest_that_meets_every_goal_is_chosen_and_the_others_hear_why() -> None:
    options = [option("float32", 10), option("float16", 12), option("int8", 4, drop=0.05)]
    verdict = decide(options, Goals(), HERE)
    assert verdict.chosen is not None and verdict.chosen.option.candidate.scheme == "float32"
    reasons = {item.option.candidate.scheme: item.reason for item in verdict.judged}
    assert reasons["int8"] == "missed: accuracy drop 0.05 > 0.02"
    assert reasons["float16"] == "meets every goal; 1.20 times the time of float32 on litert"
    assert len(repr(verdict).splitlines()) == 4


def test_a_score_on_emulated_kernels_is_called_one() -> None:
    options = [option("float32", 10), option("int8", 4, drop=0.05, kernels="sse4.1")]
    reasons = {item.option.candidate.scheme: item.reason for item in decide(options, Goals(), HERE).judged}
    assert reasons["int8"] == "missed: accuracy drop 0.05 > 0.02; accuracy on emulated sse4.1 kernels"
    assert reasons["float32"] == "chosen: meets every goal, best by latency"
    told = [item.to_json()["accuracy"] for item in options]
    assert [(one["kernels"], one["emulated"]) for one in told] == [("native", False), ("sse4.1", True)]


def test_int8_that_is_slower_than_float_does_not_win() -> None:
    assert chosen([option("float32", 10), option("int8", 12, kb=300)], Goals()) == "float32"


def test_as_fast_within_a_tenth_the_smaller_file_wins() -> None:
    assert chosen([option("float32", 10), option("float16", 10.8, kb=500)], Goals()) == "float16"


@pytest.mark.parametrize(
    ("goals", "expected"),
    [
        ({"max_size_mb": 0.4}, "int8"),
        ({"max_latency_ms": 5}, "int8"),
        ({"max_memory_mb": 45}, "int8"),
        ({"max_size_mb": 0.4, "max_accuracy_drop": 0.001}, None),
        ({"prefer": "size"}, "int8"),
        ({"prefer": "accuracy"}, "float32"),
        ({}, "float32"),
    ],
)
def test_each_goal_decides(goals: dict[str, Any], expected: str | None) -> None:
    # int8 is half as large and cheaper in every way, but loses a point and, without a latency goal, half the speed.
    ms = 4.9 if "max_latency_ms" in goals else 20.0
    options = [option("float32", 10), option("int8", ms, kb=300, mb=40, drop=0.01)]
    assert chosen(options, Goals(**goals)) == expected


def test_latency_on_another_machine_is_unproven_not_met() -> None:
    verdict = decide([option("float32", 500)], Goals(max_latency_ms=100), device("deeplens"))
    assert verdict.chosen is not None
    (goal,) = [goal for goal in verdict.chosen.goals if goal.goal == "latency"]
    assert goal.state == "unproven"
    assert "to be proven on the camera" in verdict.chosen.reason


LIKELY = Estimate(100.0, 70.0, 180.0, {"convolution": 1.0}, 1.1, (0.7, 1.8), "deeplens", "a processor")


@pytest.mark.parametrize("limit", [50.0, 100.0, 1000.0])
def test_an_estimate_stands_beside_a_goal_and_never_meets_or_misses_it(limit: float) -> None:
    verdict = decide([option("float32", 5, estimate=LIKELY)], Goals(max_latency_ms=limit), device("deeplens"))
    assert verdict.chosen is not None
    (goal,) = [goal for goal in verdict.chosen.goals if goal.goal == "latency"]
    assert (goal.state, goal.found) == ("unproven", 5)
    assert "estimate, not measured" in goal.note
    assert "latency to be proven on the camera" in verdict.chosen.reason
    assert "about 100 [70, 180] ms (estimate, not measured)" in verdict.chosen.reason
    assert ("WARNING" in repr(verdict)) == (limit < 70)
    assert verdict.to_json()["options"][0]["estimate"]["measured"] is False


def test_an_estimate_does_not_choose() -> None:
    slow = Estimate(900.0, 700.0, 1800.0, {"convolution": 1.0}, 1.1, (0.7, 1.8), "deeplens", "a processor")
    options = [option("float32", 5, estimate=slow), option("int8", 10, estimate=LIKELY)]
    assert chosen(options, Goals(), device("deeplens")) == "float32"


def test_on_the_machine_itself_nothing_is_estimated() -> None:
    verdict = decide([option("float32", 10)], Goals(max_latency_ms=5), HERE)
    assert "estimate" not in repr(verdict) and verdict.to_json()["options"][0]["estimate"] is None


def test_what_could_not_be_measured_is_never_chosen() -> None:
    refused = Option(option("int8", 1).candidate, "openvino", refused="openvino refuses it")
    verdict = decide([option("float32", 10), refused], Goals(), HERE)
    assert verdict.others[0].reason == "openvino refuses it"
    assert decide([refused], Goals(), HERE).chosen is None


def test_a_drop_that_the_pictures_cannot_pin_down_is_met_with_a_warning() -> None:
    verdict = decide([option("float32", 10, drop=0.015)], Goals(max_accuracy_drop=0.02), HERE)
    assert verdict.chosen is not None and "up to 0.025" in str(verdict.chosen.goals[0])


def test_a_verdict_for_machines_holds_every_option_with_its_reason() -> None:
    values = decide([option("float32", 10), option("int8", 4, drop=0.05)], Goals(), HERE).to_json()
    assert values["chosen"] == "float32 on litert"
    assert [item["acceptable"] for item in values["options"]] == [True, False]
    assert all(item["reason"] and item["goals"] for item in values["options"])
