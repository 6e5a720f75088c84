"""Estimates of graphs written by hand, against figures counted by hand; no clock is looked at."""

from dataclasses import dataclass
from math import exp, hypot, log, prod
from typing import Any

import pytest

from relens.graph import Graph, Op, Tensor
from relens.measure.estimate import Estimate, estimate, memory_bytes, rounded, work
from relens.spec import Device, LatencyModel, Rates, Transfer, device

MODEL = LatencyModel(
    engine="litert",
    kernels="sse4.1",
    reference="a processor",
    float32=Rates(convolution=10, depthwise=5, fully_connected=2, other=1),
    int8=Rates(convolution=20, depthwise=4, fully_connected=8, other=4),
    outside=0.5,
    memory_gbs=5,
    cache_mb=2,
    overhead_us=1,
    prediction_error=1.2,
    transfer=Transfer(factor=4, low=3, high=6),
)
BOX = device("deeplens").model_copy(update={"latency": MODEL})
MS = 1e-6  # of a figure in 1e9 a second: so many ms each takes


@dataclass
class Window:
    """The options of a pooling operation."""

    filterHeight: int = 1  # noqa: N815 - the schema's names
    filterWidth: int = 1  # noqa: N815


def graph(*ops: tuple[str, tuple[tuple[int, ...], ...], tuple[int, ...]], dtype: str = "float32", **also: Any) -> Graph:
    """A chain of (name, shapes of its constants, shape of its output) behind a (1, 16, 16, 8) input."""
    weights = also.get("weights", dtype)
    tensors, made = [Tensor(0, "x", "x", (1, 16, 16, 8), dtype)], []
    for number, (name, constants, shape) in enumerate(ops):
        data, first = tensors[-1].index, len(tensors)
        tensors += [Tensor(first + n, "w", "w", size, weights, constant=True) for n, size in enumerate(constants)]
        tensors.append(Tensor(len(tensors), "y", "y", shape, dtype))
        inputs = (data, *range(first, first + len(constants)))
        made.append(Op(number, name, inputs, (len(tensors) - 1,), also.get("options")))
    return Graph(b"", (tensors[0],), (tensors[-1],), tuple(tensors), tuple(made))


def convolution(channels: int = 16, size: int = 1) -> tuple[str, tuple[tuple[int, ...], ...], tuple[int, ...]]:
    return "CONV_2D", ((channels, size, size, 8), (channels,)), (1, 16, 16, channels)


def found(of: Graph, on: Device = BOX, **also: Any) -> Estimate:
    answer = estimate(of, on, **also)
    assert answer is not None
    return answer


def test_a_convolution_takes_its_multiply_adds_its_overhead_and_its_weights_way_through_memory() -> None:
    macs, weights = 16 * 16 * 16 * 8, 4 * (16 * 8 + 16)
    expected = (macs / 10 * MS + 1e-3) * 4 + weights / 5 * MS
    answer = found(graph(convolution()))
    assert answer.median_ms == pytest.approx(expected)
    assert answer.dominant == "convolution"  # 3.3 us of it, and 1 us of overhead
    assert sum(answer.shares.values()) == pytest.approx(1)


def test_each_kind_goes_at_its_own_rate_in_each_precision() -> None:
    chain = (
        ("DEPTHWISE_CONV_2D", ((1, 3, 3, 8), (8,)), (1, 16, 16, 8)),
        ("ADD", (), (1, 16, 16, 8)),
        ("RESHAPE", (), (1, 2048)),
        ("FULLY_CONNECTED", ((10, 2048), (10,)), (1, 10)),
    )
    for dtype, (depthwise, other, dense), width in (("float32", (5, 1, 2), 4), ("int8", (4, 4, 8), 1)):
        busy = 2048 * 9 / depthwise * MS + 2048 / other * MS + 20480 / dense * MS + 3e-3
        weights = width * (72 + 8 + 20480 + 10)
        assert found(graph(*chain, dtype=dtype)).median_ms == pytest.approx(busy * 4 + weights / 5 * MS)


def test_channels_count_up_to_whole_blocks_of_the_kernels() -> None:
    nine = graph(convolution(9))
    assert [one.amount for one in work(nine)] == [16 * 16 * 16 * 8]  # float32: 9 output channels cost as 16
    picture = graph(("CONV_2D", ((8, 3, 3, 3), (8,)), (1, 8, 8, 8)), dtype="int8")
    assert [one.amount for one in work(picture)] == [8 * 8 * 8 * 9 * 8]  # int8: 3 input channels cost as 8


def test_a_pooling_looks_at_every_place_of_its_window_and_int8_leaves_the_fast_kernels() -> None:
    pooled = ("AVERAGE_POOL_2D", (), (1, 16, 16, 8))
    (one,) = work(graph(pooled, dtype="int8", options=Window(3, 3)))
    assert (one.kind, one.amount) == ("outside", 2048 * 9)
    (one,) = work(graph(pooled, options=Window(3, 3)))
    assert (one.kind, one.amount) == ("other", 2048 * 9)


def test_activations_cross_main_memory_only_where_the_cache_has_no_room() -> None:
    works = tuple(work(graph(convolution())))
    sizes = {"in": 4 * 2048, "out": 4 * 4096, "weights": 4 * 144}
    assert memory_bytes(works, 2e6) == sizes["weights"]
    assert memory_bytes(works, 2 * 10_000) == sizes["weights"] + sizes["out"]


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_more_work_is_never_estimated_as_faster(dtype: str) -> None:
    by_channels = [found(graph(convolution(n), dtype=dtype)).median_ms for n in range(1, 40)]
    assert by_channels == sorted(by_channels)
    by_window = [found(graph(convolution(8, n), dtype=dtype)).median_ms for n in (1, 2, 3, 5, 7)]
    assert by_window == sorted(by_window)
    by_depth = [found(graph(*[("ADD", (), (1, 16, 16, 8))] * n, dtype=dtype)).median_ms for n in range(1, 5)]
    assert by_depth == sorted(by_depth)


def test_both_errors_are_told_apart_and_together_make_the_interval() -> None:
    answer = found(graph(convolution()))
    assert (answer.prediction_error, answer.transfer) == (1.2, (0.75, 1.5))
    assert answer.high_ms / answer.median_ms == pytest.approx(exp(hypot(log(1.2), log(1.5))))
    assert answer.median_ms / answer.low_ms == pytest.approx(exp(hypot(log(1.2), log(4 / 3))))


def test_an_estimate_calls_itself_one_wherever_it_is_shown() -> None:
    answer = found(graph(convolution()))
    assert "estimate, not measured" in str(answer) and repr(answer).startswith("Estimate, not measured")
    assert "error of the formula" in repr(answer) and "until someone measures there" in repr(answer)
    assert len(repr(answer).splitlines()) <= 10
    assert answer.to_json()["measured"] is False


def test_a_limit_is_out_of_reach_only_beyond_the_whole_estimate() -> None:
    answer = found(graph(convolution()))
    assert answer.against(answer.low_ms * 0.99) == "out of reach by the whole of the estimate"
    assert answer.against(answer.median_ms) == "within the estimate's error"
    assert answer.against(answer.high_ms) == "likely by the whole of the estimate"


def test_a_second_thread_is_worth_nine_tenths_of_one() -> None:
    heavy = graph(*[convolution(8, 7)] * 20)
    one, two = found(heavy), found(heavy, threads=2)
    memory = one.shares["memory"] * one.median_ms
    assert (one.median_ms - memory) / (two.median_ms - memory) == pytest.approx(1.9)


def test_there_is_no_estimate_where_there_is_nothing_to_make_it_of() -> None:
    plain = graph(convolution())
    assert estimate(plain, BOX.model_copy(update={"latency": None})) is None
    assert estimate(plain, device("raspberry-pi-4")) is None
    assert estimate(plain, device("this-machine")) is None
    assert estimate(plain, BOX, engine="openvino") is None
    dynamic = graph(convolution(), weights="int8")
    assert estimate(dynamic, BOX) is None  # float activations on integer weights were not calibrated
    assert estimate(Graph(b"", (), (), (), ()), BOX) is None


def test_float16_weights_cost_what_float32_ones_do() -> None:
    plain = graph(convolution())
    x, w, bias, y = plain.tensors
    packed = Tensor(4, "p", "p", w.shape, "float16", constant=True)
    unpacked = Tensor(1, "w", "w", w.shape, "float32")
    ops = (Op(0, "DEQUANTIZE", (4,), (1,)), Op(1, "CONV_2D", (0, 1, 2), (3,)))
    half = Graph(b"", (x,), (y,), (x, unpacked, bias, y, packed), ops)
    assert found(half).median_ms == pytest.approx(found(plain).median_ms)


def test_figures_have_the_digits_that_an_estimate_has() -> None:
    assert [rounded(ms) for ms in (0.1234, 4.04, 12.6, 163.0, 1734.0)] == ["0.12", "4.0", "13", "160", "1700"]


def test_sizes_are_what_the_shapes_say() -> None:
    (one,) = work(graph(convolution()))
    assert one.weight_bytes == 4 * (16 * 8 + 16)
    assert one.activations == (4 * prod((1, 16, 16, 8)), 4 * prod((1, 16, 16, 16)))
