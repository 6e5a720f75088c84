import time
from pathlib import Path
from typing import Any

import pytest

from relens.errors import EngineTrouble
from relens.measure.latency import interleaved, summarize
from relens.measure.memory import peak_memory

pytestmark = pytest.mark.alone


def test_turns_are_interleaved_and_each_gets_the_same_number_of_runs() -> None:
    calls: list[str] = []
    runs = {name: (lambda name=name: calls.append(name)) for name in "ab"}
    found = interleaved(runs, seconds=0, burst=4, warm_up=2, least_rounds=6)
    assert {name: item.n for name, item in found.items()} == {"a": 24, "b": 24}
    turns = [calls[4 + i] for i in range(0, len(calls) - 4, 5)]
    assert sorted(turns) == ["a"] * 6 + ["b"] * 6 and turns != sorted(turns)


def test_the_slower_of_two_is_told_from_the_faster() -> None:
    found = interleaved({"fast": lambda: time.sleep(0.001), "slow": lambda: time.sleep(0.004)}, seconds=0)
    assert found["slow"].median_ms > 2 * found["fast"].median_ms


def test_percentiles_are_numpys() -> None:
    latency = summarize([float(v) for v in range(101)], 3)
    assert (latency.median_ms, latency.p90_ms, latency.p99_ms, latency.n, latency.warm_up) == (50, 90, 99, 101, 3)


def test_memory_is_a_fresh_processs_and_grows_with_the_model(shapes: Any, yolox_graph: Path) -> None:
    small, large = peak_memory(shapes.graph, "litert", 1), peak_memory(yolox_graph, "litert", 1)
    assert 20 < small.peak_mb < large.peak_mb < 400
    assert large.model_mb > 4


def test_a_graph_that_cannot_be_loaded_fails_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"nothing")
    with pytest.raises(EngineTrouble, match=r"x\.tflite"):
        peak_memory(tmp_path / "x.tflite", "litert", 1)
