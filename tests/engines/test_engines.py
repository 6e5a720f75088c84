from pathlib import Path

import numpy as np
import pytest

from relens.engines import available, dequantize, load_engine
from relens.errors import EngineTrouble
from relens.graph import Graph, Tensor


def picture(graph: Path) -> dict[str, np.ndarray]:
    tensor = Graph.read(graph).inputs[0]
    return {tensor.name: np.random.default_rng(3).random(tensor.shape, np.float32)}


def test_both_engines_are_installed_on_a_workstation() -> None:
    assert {"litert", "openvino"} <= set(available())


def test_engines_agree_with_the_plain_interpreter_on_a_float_graph(flowers_graph: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    plain = Interpreter(
        str(flowers_graph), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    plain.allocate_tensors()
    feed = picture(flowers_graph)
    plain.set_tensor(plain.get_input_details()[0]["index"], next(iter(feed.values())))
    plain.invoke()
    expected = plain.get_tensor(plain.get_output_details()[0]["index"])
    for name in available():
        found = next(iter(load_engine(flowers_graph, name).run(feed).values()))
        np.testing.assert_allclose(found, expected, atol=1e-5, err_msg=name)


def test_litert_says_what_really_ran(flowers_graph: Path, yolox_graph: Path) -> None:
    whole = load_engine(flowers_graph, "litert", 1).report
    assert (whole.delegate, whole.partitions, whole.fallback_ops, whole.threads) == ("XNNPACK", 1, (), 1)
    parts = load_engine(yolox_graph, "litert", 2).report
    assert parts.partitions > 1 and parts.fallback_ops, parts


def test_openvino_says_which_kernels_ran(flowers_graph: Path) -> None:
    report = load_engine(flowers_graph, "openvino", 1).report
    assert report.engine == "openvino" and "f32" in report.precision, report


def test_outputs_stay_what_they_were_when_the_engine_runs_again(shapes: "object") -> None:
    graph: Path = shapes.graph  # type: ignore[attr-defined]
    feed = picture(graph)
    for name in available():
        engine = load_engine(graph, name)
        first = next(iter(engine.run(feed).values()))
        kept = first.copy()
        engine.run({key: value * 0 for key, value in feed.items()})
        np.testing.assert_array_equal(first, kept, err_msg=name)


def test_a_wrong_input_is_named(shapes: "object") -> None:
    engine = load_engine(shapes.graph)  # type: ignore[attr-defined]
    for feed in ({}, {"picture": np.zeros((1, 32, 32, 3))}, {"picture": np.zeros((32, 32, 3), np.float32)}):
        with pytest.raises(EngineTrouble, match="input `picture` wants float32"):
            engine.run(feed)


def test_an_unknown_engine_is_refused(shapes: "object") -> None:
    with pytest.raises(EngineTrouble, match="there is no engine `tensorrt`"):
        load_engine(shapes.graph, "tensorrt")  # type: ignore[attr-defined]


def test_dequantize_follows_the_specification() -> None:
    tensor = Tensor(0, "o", "o", (3,), "int8", scales=(0.5,), zero_points=(10,))
    np.testing.assert_array_equal(dequantize(np.array([10, 12, -128], np.int8), tensor), [0, 1, -69])
