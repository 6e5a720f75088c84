from typing import Any

import numpy as np
import pytest

from relens.engines import load_engine
from relens.errors import BadConfig
from relens.graph import Graph, Op, Tensor
from relens.graph.edit import with_operands
from relens.quantize import quantize
from relens.spec import InputSpec
from relens.vision import Preprocessor, frames_from

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@pytest.fixture(scope="module")
def graph(shapes: Any) -> Graph:
    return Graph.read(shapes.graph)


@pytest.fixture(scope="module")
def samples(shapes: Any, graph: Graph) -> list[dict[str, np.ndarray]]:
    prepare = Preprocessor(InputSpec(), graph.inputs[0])
    return [{"picture": prepare(frame).tensor.copy()} for frame in frames_from(shapes.calibration)]


def weighted(graph: Graph) -> list[Op]:
    return [op for op in graph.ops if op.name in WEIGHTED]


def output(graph: Graph, op: Op) -> Tensor:
    return graph.tensors[op.outputs[0]]


def name(graph: Graph, op: Op) -> str:
    return output(graph, op).tensor_name


def real_weights(graph: Graph, op: Op) -> np.ndarray:
    tensor = graph.tensors[op.inputs[1]]
    shape = [1] * len(tensor.shape)
    shape[tensor.quantized_dimension] = -1
    return graph.constant(tensor).astype(np.float32) * np.float32(tensor.scales).reshape(shape)


def on_grid(graph: Graph, levels: int) -> Graph:
    """The graph with weights `k * absmax / levels` a channel, as quantization-aware training leaves them."""
    baked = {}
    for op in weighted(graph):
        weights = graph.constant(graph.tensors[op.inputs[1]])
        axis = 3 if op.name == "DEPTHWISE_CONV_2D" else 0
        others = tuple(i for i in range(weights.ndim) if i != axis)
        scale = np.abs(weights).max(axis=others, keepdims=True) / np.float32(levels)
        baked[op.index, 1] = np.rint(weights / scale).astype(np.float32) * scale
    return with_operands(graph, baked)


def test_given_ranges_come_out_exactly(graph: Graph, samples: Any) -> None:
    ranges = {name(graph, op): (-1.0 - number / 7, 3.0 + number) for number, op in enumerate(weighted(graph))}
    ranges[graph.inputs[0].tensor_name] = (0.0, 1.7)
    made = quantize(graph, "int8", samples=samples[:1], ranges=ranges).graph
    found = {tensor.tensor_name: tensor for tensor in made.tensors}
    for tensor, (low, high) in ranges.items():
        scale = (high - low) / 255
        assert found[tensor].scales == pytest.approx([scale], rel=1e-7), tensor
        assert found[tensor].zero_point == round(-128 - low / scale), tensor


def test_tensors_not_named_keep_their_calibrated_range(graph: Graph, samples: Any) -> None:
    first, *others = [name(graph, op) for op in weighted(graph)]
    plain, chosen = (
        {tensor.tensor_name: tensor.scale for tensor in quantize(graph, "int8", samples=samples, **more).graph.tensors}
        for more in ({}, {"ranges": {first: (-9, 9)}})
    )
    assert chosen[first] == pytest.approx(18 / 255) != plain[first]
    assert [chosen[tensor] for tensor in others] == [plain[tensor] for tensor in others]


def test_operations_kept_float_compute_in_float_and_only_they(graph: Graph, samples: Any) -> None:
    kept = weighted(graph)[1]
    made = quantize(graph, "int8", samples=samples, keep_float=[name(graph, kept)])
    pairs = list(zip(weighted(graph), weighted(made.graph), strict=True))
    floats = [source.index for source, op in pairs if made.graph.tensors[op.inputs[1]].dtype == "float32"]
    assert [kept.index] == floats
    assert [tensor.dtype for tensor in made.graph.inputs + made.graph.outputs] == ["int8", "int8"]
    assert made.recipe == ("quantize(int8, io=int8, keep_float=1 ops)",)


def test_all_kept_float_is_the_float_graph_between_integer_edges(graph: Graph, samples: Any, tmp_path: Any) -> None:
    every = [name(graph, op) for op in graph.ops]
    made = quantize(graph, "int8", samples=samples, keep_float=every, io="float32").graph
    answers = []
    for number, item in enumerate((graph, made)):
        item.write(tmp_path / f"{number}.tflite")
        answers.append(next(iter(load_engine(tmp_path / f"{number}.tflite").run(samples[0]).values())))
    np.testing.assert_array_equal(*answers)


def test_openvino_reads_mixed_precision(graph: Graph, samples: Any, tmp_path: Any) -> None:
    kept = [name(graph, op) for op in weighted(graph)[:2]]
    quantize(graph, "int8", samples=samples, keep_float=kept).graph.write(tmp_path / "m.tflite")
    assert load_engine(tmp_path / "m.tflite", "openvino").report.engine == "openvino"


@pytest.mark.parametrize(("bits", "levels"), [(8, 127), (7, 63), (4, 7)])
def test_weights_on_the_grid_come_back_exactly(bits: int, levels: int, graph: Graph, samples: Any) -> None:
    baked = on_grid(graph, levels)
    made = quantize(baked, "int8", samples=samples[:1], weight_bits=bits).graph
    seen = 0
    for source, op in zip(weighted(baked), weighted(made), strict=True):
        if bits == 4 and op.name == "DEPTHWISE_CONV_2D":
            continue
        weights = made.tensors[op.inputs[1]]
        stored = made.constant(weights)
        assert weights.dtype == ("int4" if bits == 4 else "int8") and abs(stored.astype(int)).max() == levels
        expected = baked.constant(baked.tensors[source.inputs[1]])
        np.testing.assert_allclose(real_weights(made, op), expected, rtol=3e-7, atol=0)
        seen += 1
    assert seen >= 2


def test_seven_bit_biases_stand_for_the_same_numbers(graph: Graph, samples: Any) -> None:
    made = quantize(graph, "int8", samples=samples, weight_bits=7).graph
    for source, op in zip(weighted(graph), weighted(made), strict=True):
        data, weights, bias = (made.tensors[index] for index in op.inputs[:3])
        steps = np.float64(weights.scales) * float(data.scale or 0)
        np.testing.assert_allclose(bias.scales, steps, rtol=1e-6)
        expected = graph.constant(graph.tensors[source.inputs[2]])
        assert (abs(made.constant(bias) * steps - expected) <= 0.51 * steps).all()


def test_bits_by_operation(graph: Graph, samples: Any) -> None:
    first, second = (name(graph, op) for op in weighted(graph)[:2])
    made = quantize(graph, "int8", samples=samples, weight_bits={first: 7, second: 8})
    largest = [
        abs(made.graph.constant(made.graph.tensors[op.inputs[1]]).astype(int)).max() for op in weighted(made.graph)
    ]
    assert largest == [63] + [127] * (len(largest) - 1)
    assert made.recipe == ("quantize(int8, io=int8, weight_bits=7 in 1 ops)",)


@pytest.mark.parametrize(
    ("scheme", "choices", "code"),
    [
        ("int8", {"ranges": {"nothing": (0, 1)}}, "RL-QUANT-004"),
        ("int8", {"keep_float": ["nothing"]}, "RL-QUANT-004"),
        ("int8", {"weight_bits": {"nothing": 7}}, "RL-QUANT-004"),
        ("int8", {"weight_bits": 5}, "RL-QUANT-005"),
        ("float16", {"weight_bits": 7}, "RL-QUANT-005"),
    ],
)
def test_unknown_names_and_senseless_values_are_refused(
    scheme: Any, choices: Any, code: str, graph: Graph, samples: Any
) -> None:
    with pytest.raises(BadConfig) as trouble:
        quantize(graph, scheme, samples=samples, **choices)
    assert trouble.value.code == code


def test_ranges_that_cannot_be_are_refused(graph: Graph, samples: Any) -> None:
    tensor = name(graph, graph.ops[0])
    for edges in ((1.0, -1.0), (0.0, float("inf")), (0.0, 0.0)):
        with pytest.raises(BadConfig, match="cannot lie between"):
            quantize(graph, "int8", samples=samples, ranges={tensor: edges})
