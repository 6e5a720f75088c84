import json
from pathlib import Path
from typing import Any

import pytest

from relens.errors import BadModel, EngineTrouble
from relens.measure import emulated
from relens.measure.emulated import KernelLatency, Run, latency_on
from relens.measure.latency import Latency
from relens.spec import this_machine

emulates = pytest.mark.skipif(
    "sse4_1" not in this_machine().instruction_sets, reason="x86 kernels need an x86 processor"
)


@emulates
def test_graphs_are_timed_side_by_side_on_the_kernels_of_an_atom(shapes: Any) -> None:
    runs = {"a": Run(shapes.graph, "litert"), "b": Run(shapes.graph, "openvino")}
    found = latency_on("sse4.1", runs, seconds=0.2)
    assert list(found) == ["a", "b"]
    assert found["a"].n == found["b"].n >= 25
    for latency in found.values():
        assert latency.emulated and latency.kernels == "sse4.1" and latency.median_ms > 0
        assert str(latency).endswith("emulated sse4.1 kernels")


def test_this_machines_own_kernels_are_not_called_emulated(shapes: Any) -> None:
    latency = latency_on("native", {"a": Run(shapes.graph, "litert")}, seconds=0)["a"]
    assert not latency.emulated and latency.unlimited == ()
    assert str(latency) == str(Latency(latency.median_ms, latency.p90_ms, latency.p99_ms, latency.n, latency.warm_up))


def test_as_json_it_is_a_latency_with_its_kernels() -> None:
    plain = Latency(1.23456, 2.0, 3.0, 25, 5)
    found = KernelLatency(**vars(plain), kernels="sse4.1", unlimited=("TILE", "TILE")).to_json()
    more = {"kernels": "sse4.1", "emulated": True, "unlimited": ["TILE", "TILE"]}
    assert found == {**plain.to_json(), **more}
    assert json.loads(json.dumps(found)) == found


def test_what_the_process_refuses_is_raised_here(shapes: Any, tmp_path: Path) -> None:
    (tmp_path / "x.tflite").write_bytes(b"nothing")
    with pytest.raises(BadModel, match=r"RL-GRAPH-00\d.*x\.tflite"):
        latency_on("native", {"x": Run(tmp_path / "x.tflite", "litert")})
    with pytest.raises(EngineTrouble, match="RL-ENGINE-004"):
        latency_on("mmx", {"x": Run(shapes.graph, "litert")})
    with pytest.raises(EngineTrouble, match="RL-ENGINE-001"):
        latency_on("native", {"x": Run(shapes.graph, "tensorrt")})


def test_a_process_that_takes_too_long_is_given_up(shapes: Any) -> None:
    with pytest.raises(EngineTrouble, match=r"RL-ENGINE-002.* more than 2 s"):
        latency_on("native", {"x": Run(shapes.graph, "litert")}, seconds=60, timeout_s=2)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "RL-ENGINE-004.*died of SIGSEGV"),
        ("raise OSError('no more memory')", "RL-ENGINE-002.*no more memory"),
    ],
)
def test_a_process_that_dies_is_an_error_with_a_code(
    body: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f'#!/bin/sh\nexec {emulated.sys.executable} -c "{body}"\n')
    stand_in.chmod(0o755)
    monkeypatch.setattr(emulated.sys, "executable", str(stand_in))
    with pytest.raises(EngineTrouble, match=said):
        latency_on("native", {})
