from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relens.engines import load_engine
from relens.errors import BadConfig, BadData
from relens.graph import Graph, float_tensors
from relens.quantize import quantize
from relens.spec import InputSpec, OutputSpec
from relens.vision import Preprocessor, VisionModel, frames_from


@pytest.fixture(scope="module")
def graph(shapes: Any) -> Graph:
    return Graph.read(shapes.graph)


@pytest.fixture(scope="module")
def samples(shapes: Any, graph: Graph) -> list[dict[str, np.ndarray]]:
    prepare = Preprocessor(InputSpec(), graph.inputs[0])
    return [{"picture": prepare(frame).tensor.copy()} for frame in frames_from(shapes.calibration)]


def signal_to_noise(graph: Graph, candidate: Graph, shapes: Any, folder: Path) -> float:
    """Decibels of the float scores over the difference, over the validation pictures."""
    spoken = []
    for name, item in (("float", graph), ("other", candidate)):
        item.write(folder / f"{name}.tflite")
        model = VisionModel(load_engine(folder / f"{name}.tflite"), InputSpec(), OutputSpec())
        spoken.append(np.array([model.predict(f).scores for f in frames_from(shapes.folder / "validation")]))  # type: ignore[union-attr]
    return float(10 * np.log10((spoken[0] ** 2).mean() / ((spoken[0] - spoken[1]) ** 2).mean()))


@pytest.mark.parametrize(("scheme", "least_db", "most_of_size"), [("float16", 50, 0.75), ("dynamic", 25, 0.6)])
def test_schemes_without_pictures_stay_close_and_get_smaller(
    scheme: Any, least_db: float, most_of_size: float, graph: Graph, shapes: Any, tmp_path: Path
) -> None:
    made = quantize(graph, scheme)
    assert made.graph.size_bytes < most_of_size * graph.size_bytes
    assert [tensor.dtype for tensor in made.graph.inputs + made.graph.outputs] == ["float32", "float32"]
    assert signal_to_noise(graph, made.graph, shapes, tmp_path) > least_db


def test_full_int8_is_integer_throughout_and_close(graph: Graph, samples: Any, shapes: Any, tmp_path: Path) -> None:
    made = quantize(graph, "int8", samples=samples)
    assert float_tensors(made.graph) == ()
    assert [tensor.dtype for tensor in made.graph.inputs + made.graph.outputs] == ["int8", "int8"]
    assert signal_to_noise(graph, made.graph, shapes, tmp_path) > 25
    assert made.recipe == ("quantize(int8, io=int8)",) and made.parent_sha256 == graph.sha256


def test_int8_can_keep_float_inputs_and_outputs(graph: Graph, samples: Any) -> None:
    made = quantize(graph, "int8", samples=samples, io="float32")
    assert [tensor.dtype for tensor in made.graph.inputs + made.graph.outputs] == ["float32", "float32"]


def test_a_range_is_the_mean_of_the_pictures_own_whatever_their_order(graph: Graph, samples: Any) -> None:
    dim = [{"picture": sample["picture"] * 0.5} for sample in samples]
    bright = quantize(graph, "int8", samples=samples).graph.inputs[0].scale
    assert bright is not None
    mixed = [
        quantize(graph, "int8", samples=order).graph.inputs[0].scale for order in ([*dim, *samples], [*samples, *dim])
    ]
    assert mixed == pytest.approx([0.75 * bright] * 2, rel=1e-5)


def test_the_same_request_gives_the_same_bytes(graph: Graph, samples: Any) -> None:
    for scheme in ("float16", "dynamic", "int8"):
        first, second = (quantize(graph, scheme, samples=samples).graph for _ in range(2))
        assert first.content == second.content, scheme


def test_names_of_inputs_and_outputs_survive(graph: Graph, samples: Any) -> None:
    made = quantize(graph, "int8", samples=samples).graph
    assert [t.name for t in made.inputs + made.outputs] == [t.name for t in graph.inputs + graph.outputs]


@pytest.mark.parametrize(
    ("scheme", "io", "code", "words"),
    [
        ("float16", "int8", "RL-QUANT-001", "--scheme int8 --calibration"),
        ("dynamic", "int8", "RL-QUANT-001", "--scheme int8 --calibration"),
        ("int8", None, "RL-QUANT-002", "--scheme dynamic"),
        ("int4", None, "RL-CONFIG-003", "float16"),
    ],
)
def test_requests_that_make_no_sense_are_refused_with_the_right_one(
    scheme: Any, io: Any, code: str, words: str, graph: Graph
) -> None:
    with pytest.raises(BadConfig) as trouble:
        quantize(graph, scheme, io=io)
    assert trouble.value.code == code and words in str(trouble.value)


def test_openvino_reads_every_candidate(graph: Graph, samples: Any, tmp_path: Path) -> None:
    for scheme in ("float16", "dynamic", "int8"):
        quantize(graph, scheme, samples=samples).graph.write(tmp_path / f"{scheme}.tflite")
        assert load_engine(tmp_path / f"{scheme}.tflite", "openvino").report.engine == "openvino"


def test_samples_that_would_ruin_the_ranges_are_refused(graph: Graph, samples: Any) -> None:
    nan = {"picture": np.full_like(samples[0]["picture"], np.nan)}
    for bad in (nan, {}, {"picture": samples[0]["picture"][:, :8]}):
        with pytest.raises(BadData, match="calibration sample 1: input `picture`"):
            quantize(graph, "int8", samples=[samples[0], bad])


def test_an_unknown_type_of_inputs_is_refused(graph: Graph, samples: Any) -> None:
    with pytest.raises(BadConfig, match="--io is one of float32, int8"):
        quantize(graph, "int8", samples=samples, io="uint8")  # type: ignore[arg-type]
