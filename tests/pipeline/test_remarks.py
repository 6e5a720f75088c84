from typing import Any

import pytest

from relens.graph import Graph, Tensor, cost
from relens.kit.versions import engine_versions
from relens.measure.estimate import Estimate
from relens.pipeline.remarks import Remark, remarks
from relens.spec import Device, Goals, device, this_machine

PICTURE = Tensor(0, "x", "x", (1, 190, 224, 3), "float32")
LIKELY = Estimate(100.0, 70.0, 180.0, {"convolution": 0.8, "memory": 0.2}, 1.1, (0.7, 1.8), "deeplens", "a processor")


def said(on: Device, *, kb: int = 1000, likely: Estimate | None = None, **also: Any) -> dict[str, Remark]:
    graph = Graph(b"x" * kb * 1000, (PICTURE,), (PICTURE,), (PICTURE,), ())
    found = remarks(graph, cost(graph), on, likely, engine_versions(on), also.get("goals"))
    return {remark.topic: remark for remark in found}


def test_the_camera_box_judges_by_its_facts() -> None:
    found = said(device("deeplens"), likely=LIKELY)
    assert {topic: found[topic].state for topic in ("latency", "memory", "disk", "engines", "camera")} == {
        "latency": "estimate",
        "memory": "fits",
        "disk": "fits",
        "engines": "fits",
        "camera": "told",
    }
    assert "estimate, not measured" in str(found["latency"]) and "convolution takes 80 %" in str(found["latency"])
    assert "litert 1.4.0" in str(found["engines"]) and "glibc 2.23" in str(found["engines"])
    assert "12.0 x 8.0 of the frame" in str(found["camera"])  # 2688 / 224 and 1520 / 190


def test_too_large_is_said() -> None:
    small = device("deeplens").model_copy(update={"memory_mb": 3})
    assert said(small)["memory"].state == "misses" and "DOES NOT FIT" in str(said(small)["memory"])


def test_what_a_profile_does_not_say_is_not_known() -> None:
    bare = Device(
        name="box", title="Box", processor="x", architecture="aarch64", cores=4, memory_mb=1000,
        instruction_sets=("asimd",), engines=("litert",),
    )  # fmt: skip
    found = said(bare)
    assert [found[topic].state for topic in ("latency", "disk", "engines", "camera")] == ["unknown"] * 4
    assert all("not known" in str(found[topic]) for topic in ("latency", "disk", "engines", "camera"))


def test_a_system_older_than_every_engine_is_told_so() -> None:
    old = device("deeplens")
    old = old.model_copy(update={"system": old.system.model_copy(update={"libc": "2.12"})})
    assert engine_versions(old) == {} and said(old)["engines"].state == "misses"


def test_newer_systems_get_newer_engines() -> None:
    assert engine_versions(device("deeplens")) != engine_versions(device("raspberry-pi-5"))
    assert engine_versions(device("deeplens")) == {"litert": "1.4.0", "openvino": "2025.4.1"}


@pytest.mark.parametrize(
    ("limit", "words"), [(50, "out of reach"), (100, "within the estimate's error"), (200, "likely")]
)
def test_a_latency_goal_is_never_more_than_estimated(limit: float, words: str) -> None:
    found = said(device("deeplens"), likely=LIKELY, goals=Goals(max_latency_ms=limit))
    assert found["goal latency"].state == "estimate" and words in str(found["goal latency"])


def test_a_size_goal_is_certain() -> None:
    assert said(device("deeplens"), goals=Goals(max_size_mb=0.5))["goal size"].state == "misses"
    assert said(device("deeplens"), goals=Goals(max_size_mb=2))["goal size"].state == "fits"


def test_this_machine_is_measured_not_estimated() -> None:
    assert said(this_machine(), goals=Goals(max_latency_ms=5))["latency"].state == "told"
