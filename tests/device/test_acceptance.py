from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from relens.bundle.bundle import Bundle
from relens.bundle.manifest import Tolerance
from relens.device import accept
from relens.device.acceptance import examine
from relens.device.checks import agrees, relative_rms
from relens.errors import DeviceTrouble
from relens.spec import Goals
from relens.vision import Classes, Detections, Tensors, VisionModel

MadeUp = Callable[..., tuple[Bundle, VisionModel]]


def refusal(bundle: Bundle, model: VisionModel) -> str:
    result = examine(bundle, model)
    assert not result.accepted and "REFUSED" in repr(result)
    with pytest.raises(DeviceTrouble, match="RL-DEVICE-003") as caught:
        result.raise_if_refused()
    return caught.value.message


def test_a_machine_that_computes_the_same_accepts(made_up: MadeUp) -> None:
    result = examine(*made_up(goals=Goals(max_latency_ms=1000, max_memory_mb=100_000)))
    assert result.accepted, result
    result.raise_if_refused()
    assert [check.name for check in result.checks] == [
        "golden frames", "output `scores`", "prediction", "latency", "peak memory",
    ]  # fmt: skip
    assert len(repr(result).splitlines()) == 1 + len(result.checks)


def test_outputs_outside_the_tolerance_are_refused_and_named(made_up: MadeUp) -> None:
    bundle, model = made_up(tolerance=Tolerance(relative_rms=0.01))
    model.engine.spoil = lambda scores: scores * np.float32(1.02)
    message = refusal(bundle, model)
    assert "output `scores`: expected relative RMS error <= 0.01, found 0.02 (worst of 2 frames" in message


def test_a_nan_is_refused(made_up: MadeUp) -> None:
    bundle, model = made_up()
    model.engine.spoil = lambda scores: scores * np.float32(np.nan)
    assert "not finite (frame dark)" in refusal(bundle, model)


def test_another_best_class_is_refused_even_within_the_tolerance(made_up: MadeUp) -> None:
    bundle, model = made_up(tolerance=Tolerance(relative_rms=10))
    model.engine.spoil = lambda scores: scores[:, ::-1]
    assert "prediction: expected the same, found 2 of 2 differ (dark, light)" in refusal(bundle, model)


def test_missed_goals_are_refused_with_both_numbers(made_up: MadeUp) -> None:
    bundle, model = made_up(goals=Goals(max_latency_ms=1.0))
    model.engine.infer_s = 0.005
    assert "latency: expected <= 1 ms, found 5." in refusal(bundle, model)
    assert "peak memory: expected <= 1 MB, found" in refusal(*made_up(goals=Goals(max_memory_mb=1.0)))


def test_a_bundle_without_golden_frames_proves_nothing(made_up: MadeUp) -> None:
    bundle, model = made_up()
    assert "golden frames: expected at least 1, found 0" in refusal(replace(bundle, golden=()), model)


def test_an_output_that_is_missing_is_refused(made_up: MadeUp) -> None:
    bundle, model = made_up()
    golden = replace(bundle.golden[0], expected={"other": np.zeros(2, np.float32)})
    assert "missing or not finite" in refusal(replace(bundle, golden=(golden,)), model)


def test_relative_rms_is_that_of_plain_numpy() -> None:
    draw = np.random.default_rng(0)
    expected, found = (draw.normal(size=1000).astype(np.float32) for _ in range(2))
    plain = np.linalg.norm((found - expected).astype(float)) / np.linalg.norm(expected.astype(float))
    assert relative_rms(found, expected) == pytest.approx(plain)
    zero = np.zeros(3, np.float32)
    assert (relative_rms(zero, zero), relative_rms(zero + 1, zero)) == (0, np.inf)
    assert relative_rms(zero, np.zeros(4, np.float32)) == np.inf


def classes(*scores: float) -> Classes:
    return Classes(np.array(scores, np.float32))


def detections(*boxes: tuple[float, float, float, float], kind: int = 0) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.ones(count, np.float32), np.full(count, kind, np.int64)
    )


def test_classes_agree_on_the_best_one_unless_the_expected_best_two_are_near() -> None:
    assert agrees(classes(0.1, 0.9), classes(0.4, 0.6))
    assert not agrees(classes(0.6, 0.4), classes(0.4, 0.6))
    assert agrees(classes(0.6, 0.4), classes(0.495, 0.505))


def test_detections_agree_when_four_of_five_are_found_again() -> None:
    boxes = [(20.0 * k, 0.0, 20.0 * k + 10, 10.0) for k in range(5)]
    assert agrees(detections(*boxes[:4]), detections(*boxes))
    assert not agrees(detections(*boxes[:3]), detections(*boxes))
    assert not agrees(detections(*boxes, kind=1), detections(*boxes))
    shifted = [(x1 + 6, y1, x2 + 6, y2) for x1, y1, x2, y2 in boxes]  # IoU 4 / 16
    assert not agrees(detections(*shifted), detections(*boxes))
    assert not agrees(detections(boxes[0]), detections(boxes[0], boxes[0])), "one box stands for two"
    assert agrees(detections(), detections()) and agrees(detections(*boxes), detections())
    assert agrees(Tensors({}), Tensors({}))


def test_a_real_model_is_accepted_on_both_engines(flowers_bundle: Bundle) -> None:
    for engine in ("litert", "openvino"):
        result = accept(flowers_bundle, engine=engine, threads=1)
        assert result.accepted and engine in result.engine, result
        assert "5 of 5 alike" in repr(result)
        assert 0 < result.latency.median_ms <= result.latency.p90_ms <= result.latency.p99_ms


def test_large_outputs_are_compared_by_their_samples(yolox_bundle: Bundle) -> None:
    result = accept(yolox_bundle)
    assert result.accepted and "not compared: the golden outputs are samples" in repr(result), result
    name, values = next(iter(yolox_bundle.golden[0].expected.items()))
    assert values.shape == (8192,)
    wrong = replace(yolox_bundle.golden[1], expected={name: values * np.float32(0.9)})
    assert not accept(replace(yolox_bundle, golden=(wrong,))).accepted
