from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.compress.repair import (
    Judge,
    correct_biases,
    equalize,
    observed_ranges,
    repair,
    search_mixture,
    search_ranges,
    tail,
)
from relens.compress.repair.chains import chains
from relens.compress.repair.inner import Inner, channel_statistics
from relens.compress.repair.ranges import rounded
from relens.engines import load_engine
from relens.graph import Graph, cost
from relens.quantize import quantize


def read(networks: Path, name: str) -> Graph:
    return Graph.read(networks / f"{name}.tflite")


def answers(graph: Graph, samples: Any) -> np.ndarray:
    inner = Inner(graph, [graph.outputs[0].index])
    return np.concatenate([inner(sample)[0] for sample in samples])


def int8(graph: Graph, samples: Any, **choices: Any) -> Graph:
    return quantize(graph, "int8", samples=samples, io="float32", **choices).graph


@pytest.mark.parametrize("name", ["relu", "relu6", "silu"])
def test_equalization_changes_weights_and_not_the_function(name: str, networks: Path, samples: Any) -> None:
    graph = read(networks, name)
    made = equalize(graph, samples)
    assert made.noise and made.graph.content != graph.content
    np.testing.assert_allclose(answers(made.graph, samples), answers(graph, samples), atol=2e-6)


def test_relu_costs_nothing_and_a_silu_one_product(networks: Path, samples: Any) -> None:
    for name, extra in (("relu", 0), ("silu", 1)):
        graph = read(networks, name)
        made = equalize(graph, samples)
        assert len(made.graph.ops) - len(graph.ops) == len(made.gates) >= extra, name


def test_a_relu6_channel_that_meets_its_ceiling_is_left_alone(networks: Path, samples: Any) -> None:
    graph = read(networks, "relu6")
    bright = [{"picture": sample["picture"] * 8} for sample in samples]
    made = equalize(graph, bright)
    np.testing.assert_allclose(answers(made.graph, bright), answers(graph, bright), atol=2e-6)


def test_equalized_channels_are_of_like_size(networks: Path, samples: Any) -> None:
    for name in ("relu", "silu"):
        spread = []
        for graph in (read(networks, name), equalize(read(networks, name), samples).graph):
            carried = chains(graph)[0].carried[0] if name == "relu" else graph.ops[_depthwise(graph)].inputs[0]
            largest = channel_statistics(graph, samples, [carried])[carried].largest
            spread.append(largest.max() / largest.min())
        assert spread[1] < spread[0] / 20, (name, spread)


def _depthwise(graph: Graph) -> int:
    return next(op.index for op in graph.ops if op.name == "DEPTHWISE_CONV_2D")


def test_equalization_lowers_the_error_of_int8(networks: Path, samples: Any) -> None:
    graph = read(networks, "silu")
    judge = Judge(graph, samples)
    items = (graph, equalize(graph, samples).graph)
    made = (int8(item, samples, keep_float=tail(item)) for item in items)
    before, after = (float(judge.by_channel(each)["scores"].mean()) for each in made)
    assert after < 0.7 * before, (before, after)


def test_the_judge_is_zero_for_the_graph_itself_and_one_for_silence(networks: Path, samples: Any) -> None:
    graph = read(networks, "relu")
    judge = Judge(graph, samples)
    assert judge.error(graph) == 0
    expected = answers(graph, samples).reshape(-1, 4)
    off = answers(int8(graph, samples), samples).reshape(-1, 4) - expected
    by_hand = np.sqrt((off.astype(np.float64) ** 2).mean(0) / expected.astype(np.float64).var(0))
    np.testing.assert_allclose(judge.by_channel(int8(graph, samples))["scores"], by_hand, rtol=1e-5)


@pytest.mark.parametrize("name", ["relu", "silu"])
def test_corrected_biases_bring_the_channel_means_back(name: str, networks: Path, samples: Any) -> None:
    graph = read(networks, name)
    ranges = observed_ranges(graph, samples)
    corrected = correct_biases(graph, int8(graph, samples, ranges=ranges), samples)
    last = [op.outputs[0] for op in graph.ops if op.name == "CONV_2D"][-1]
    expected = channel_statistics(graph, samples, [last])[last].mean
    found = []
    for source in (graph, corrected.graph):
        made = int8(source, samples, ranges=ranges)
        place = next(t.index for t in made.tensors if t.tensor_name == graph.tensors[last].tensor_name)
        values = [Inner(made, [place])(sample)[0].reshape(-1, 4) for sample in samples]
        found.append(float(np.abs(np.concatenate(values).mean(0) - expected).mean()))
    step = next(t.scales[0] for t in made.tensors if t.tensor_name == graph.tensors[last].tensor_name)
    assert found[1] < max(0.5 * found[0], 0.5 * step), (found, step)


def test_observed_ranges_are_what_the_quantizer_calibrates(networks: Path, samples: Any) -> None:
    graph = read(networks, "silu")
    calibrated, given = int8(graph, samples), int8(graph, samples[:1], ranges=observed_ranges(graph, samples))
    pairs = list(zip(calibrated.tensors, given.tensors, strict=True))
    assert all(a.scales == pytest.approx(b.scales, rel=1e-4) for a, b in pairs)


def test_a_silu_does_not_spend_steps_where_nothing_is_left_of_x(networks: Path, samples: Any) -> None:
    graph = read(networks, "silu")
    dark = [{"picture": sample["picture"] * 40} for sample in samples]
    name = graph.tensors[chains(graph)[0].output].tensor_name
    wide, chosen = observed_ranges(graph, dark)[name], search_ranges(graph, dark)[name]
    assert wide[0] < -20 and wide[0] * 0.6 < chosen[0] < -2, (wide, chosen)


def test_rounded_values_are_those_of_the_integer_file(networks: Path, samples: Any) -> None:
    graph = read(networks, "relu")
    source = graph.inputs[0].tensor_name
    made = int8(graph, samples[:1], ranges={source: (-0.3, 0.7)})
    place = next(tensor for tensor in made.tensors if tensor.tensor_name.startswith(source) and tensor.scales)
    exact = Inner(made, [place.index])(samples[0])[0]
    np.testing.assert_allclose(rounded(samples[0]["picture"], -0.3, 0.7), exact, atol=1e-6)


def test_the_tail_is_what_follows_the_last_multiplication(networks: Path) -> None:
    graph = read(networks, "silu")
    kept = [op.name for op in graph.ops if graph.tensors[op.outputs[0]].tensor_name in tail(graph)]
    assert kept == [op.name for op in graph.ops[-len(kept) :]] and kept[-1] == "SOFTMAX" and "CONV_2D" not in kept


def test_the_search_finds_the_operations_that_ruin_the_answers(networks: Path) -> None:
    graph = read(networks, "silu")
    names = [graph.tensors[op.outputs[0]].tensor_name for op in graph.ops]
    guilty = set(names[2:4])
    asked: list[int] = []

    def error(kept: Any) -> float:
        asked.append(len(kept))
        return 1.0 if guilty - set(kept) else 0.1

    found = search_mixture(graph, error, target=0.2, most_float=1.0, trials=60)
    assert guilty <= set(found.keep_float) and found.error == (1.0, 0.1), found
    assert len(found.keep_float) <= 4 and len(asked) <= 60


def test_mixed_precision_stays_within_its_budget(networks: Path, samples: Any) -> None:
    graph = read(networks, "silu")
    judge = Judge(graph, samples)
    found = search_mixture(
        graph,
        lambda kept: judge.error(int8(graph, samples[:2], keep_float=kept)),
        start=tail(graph),
        most_float=0.3,
        trials=12,
    )
    assert found.float_share <= 0.3 and list(found.error) == sorted(found.error, reverse=True)


def test_repair_keeps_only_what_helps_and_says_so(networks: Path, samples: Any) -> None:
    graph = read(networks, "silu")
    told: list[float] = []
    made = repair(graph, samples, calibration_sha256="c", progress=told.append)
    assert made.candidate.parent_sha256 == graph.sha256 and made.candidate.calibration_sha256 == "c"
    assert made.candidate.recipe[-1].startswith("quantize(int8, io=float32, ranges=")
    held_out = Judge(graph, samples[1::2])
    assert held_out.error(made.candidate.graph) == pytest.approx(min(error for _, error in made.errors), rel=1e-6)
    assert made.errors[0][0] == "plain" and told == sorted(told) and told[-1] <= 1


def test_both_engines_run_a_repaired_graph_alike(networks: Path, samples: Any, tmp_path: Path) -> None:
    made = repair(read(networks, "silu"), samples).candidate.graph
    made.write(tmp_path / "m.tflite")
    spoken = [load_engine(tmp_path / "m.tflite", name).run(samples[0])["scores"] for name in ("litert", "openvino")]
    np.testing.assert_allclose(*spoken, atol=0.02)


def test_a_dead_channel_keeps_its_bias_in_int8(networks: Path, samples: Any) -> None:
    graph = read(networks, "dead")
    made = int8(graph, samples)
    for source, op in zip(graph.ops, [op for op in made.ops if "QUANT" not in op.name], strict=True):
        if source.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            bias = made.tensors[op.inputs[2]]
            real = made.constant(bias) * np.float64(bias.scales)
            expected = graph.constant(graph.tensors[source.inputs[2]])
            np.testing.assert_allclose(real, expected, atol=max(bias.scales))


def test_repair_with_a_budget_of_float_multiplications_stays_within_it(networks: Path, samples: Any) -> None:
    graph = read(networks, "silu")
    made = repair(graph, samples[:4], most_float=0.5)
    share = {op.output: op.macs for op in cost(graph).ops}
    assert sum(share.get(name, 0) for name in made.keep_float) <= 0.5 * cost(graph).macs
