import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import relens.sources
from relens.engines import load_engine
from relens.errors import BadConfig, RelensError
from relens.graph import Graph
from relens.graph.flatbuffer import edited
from relens.sources import Imported, import_model
from relens.sources.importer import content_sha256

FLOWERS_OPS = {"CONV_2D": 14, "DEPTHWISE_CONV_2D": 13, "MEAN": 1, "FULLY_CONNECTED": 1, "SOFTMAX": 1}
BLOCKED = """
import sys
sys.modules.update(dict.fromkeys(["tensorflow", "keras", "h5py"]))
from pathlib import Path
from relens.sources import import_model
import_model(Path(sys.argv[1])).graph.write(Path(sys.argv[2]))
"""


@pytest.fixture(scope="session")
def flowers(shared_data: Path) -> Imported:
    return import_model(shared_data / "models/flowers_mobilenet_v1_025_128.h5")


@pytest.fixture(scope="session")
def multi(models: Path) -> Imported:
    return import_model(models / "multi.keras")


def refusal(path: Path, **options: object) -> RelensError:
    with pytest.raises(RelensError) as caught:
        import_model(path, **options)  # type: ignore[arg-type]
    return caught.value


def ops(graph: Graph) -> dict[str, int]:
    return dict(Counter(op.name for op in graph.ops))


def run(graph: Graph, folder: Path, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    graph.write(folder / "graph.tflite")
    return load_engine(folder / "graph.tflite").run(inputs)


def names(graph: Graph) -> tuple[list[str], list[str]]:
    return [tensor.name for tensor in graph.inputs], [tensor.name for tensor in graph.outputs]


def test_the_surface_is_small() -> None:
    assert relens.sources.__all__ == ["Imported", "Limits", "content_sha256", "detect_kind", "import_model"]


def test_a_keras_file_answers_as_keras_does(flowers: Imported, models: Path, tmp_path: Path) -> None:
    assert (flowers.kind, ops(flowers.graph)) == ("Keras", FLOWERS_OPS)
    assert names(flowers.graph) == (["input_layer_1"], ["flowers"])
    reference = np.load(models / "flowers.npz")
    for x, y in zip(reference["x"], reference["y"], strict=True):
        error = np.abs(run(flowers.graph, tmp_path, {"input_layer_1": x})["flowers"] - y).max()
        assert error < 1e-5, error
    assert flowers.max_error < 1e-5


def test_a_saved_model_gives_the_same_network(shared_data: Path, flowers: Imported) -> None:
    imported = import_model(shared_data / "models/flowers_mobilenet_v1_025_128_savedmodel")
    assert (imported.kind, ops(imported.graph)) == ("SavedModel", FLOWERS_OPS)
    assert names(imported.graph) == (["input_layer_1"], ["output_0"])
    assert imported.max_error < 1e-5


def test_a_frozen_graph_gives_the_same_network(flowers: Imported, models: Path, tmp_path: Path) -> None:
    imported = import_model(models / "flowers.pb")
    assert (imported.kind, ops(imported.graph)) == ("frozen graph", FLOWERS_OPS)
    assert names(imported.graph) == (["image"], ["Identity"])
    reference = np.load(models / "flowers.npz")
    found = run(imported.graph, tmp_path, {"image": reference["x"][0]})["Identity"]
    assert np.abs(found - reference["y"][0]).max() < 1e-5


def test_a_detector_imports_though_noise_upsets_it(shared_data: Path) -> None:
    # Fed with -1..1 instead of 0..255, float32 itself is off by 5e-4 of float64 here.
    imported = import_model(shared_data / "models/yolox_nano_416.h5")
    assert [tensor.shape for tensor in imported.graph.outputs] == [(1, 3549, 85)]
    assert len(imported.graph.ops) == 373
    assert imported.max_error < 2e-3


def test_real_probes_are_what_is_compared(shared_data: Path) -> None:
    # A Keras-2 file: its depthwise layers have an argument that Keras 3 refuses.
    probe = np.random.default_rng(0).random((1, 96, 96, 3), np.float32)
    told: list[str] = []
    imported = import_model(shared_data / "models/vww_96.h5", probes=[{"input_1": probe}], progress=told.append)
    assert imported.max_error < 1e-6
    assert [line.split()[0] for line in told] == ["converting", "comparing"]


def test_names_stay_with_their_tensors(multi: Imported, models: Path, tmp_path: Path) -> None:
    assert names(multi.graph) == (["zebra", "apple"], ["yak", "bear"])
    reference = np.load(models / "multi.npz")
    found = run(multi.graph, tmp_path, {name: reference[name] for name in ("zebra", "apple")})
    for name in ("yak", "bear"):
        assert np.abs(found[name] - reference[name]).max() < 1e-6, name


def test_another_place_and_time_give_the_same_bytes_without_tensorflow_here(
    multi: Imported, models: Path, tmp_path: Path
) -> None:
    shutil.copy(models / "multi.keras", tmp_path / "other name.keras")
    command = [sys.executable, "-c", BLOCKED, tmp_path / "other name.keras", tmp_path / "graph.tflite"]
    shown = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert (shown.stdout, shown.stderr) == (b"", b"")
    assert (tmp_path / "graph.tflite").read_bytes() == multi.graph.content
    assert content_sha256(tmp_path / "other name.keras") == multi.source_sha256


def test_a_folders_hash_is_of_its_files_and_their_names(tmp_path: Path) -> None:
    for folder in ("a", "b", "c"):
        (tmp_path / folder / "variables").mkdir(parents=True)
        (tmp_path / folder / "saved_model.pb").write_bytes(b"graph")
        (tmp_path / folder / "variables" / ("x" if folder == "c" else "y")).write_bytes(b"weights")
    hashes = [content_sha256(tmp_path / folder) for folder in ("a", "b", "c")]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_saved_model_of_tensorflow_1_imports(models: Path) -> None:
    imported = import_model(models / "first", outputs=["logits"])
    assert names(imported.graph) == (["images"], ["logits"])
    assert imported.graph.inputs[0].shape == (1, 8, 8, 3)


def test_a_frozen_graph_is_cut_where_one_says(models: Path) -> None:
    imported = import_model(models / "first.pb", outputs=["head/logits"])
    assert names(imported.graph) == (["images"], ["head/logits"])
    error = refusal(models / "first.pb", outputs=["head/logit"])
    assert error.code == "RL-SOURCE-010"
    assert "it has head/logits" in error.message


def test_a_graph_with_variables_is_not_frozen(models: Path) -> None:
    error = refusal(models / "unfrozen.pb")
    assert (error.code, "kernel" in error.message) == ("RL-SOURCE-017", True)


def test_one_of_several_signatures_is_chosen(models: Path) -> None:
    error = refusal(models / "several")
    assert (error.code, error.hint) == ("RL-SOURCE-010", 'choose one: signature="one"')
    assert "it has one, two" in error.message
    assert names(import_model(models / "several", signature="two").graph) == (["x"], ["y"])


def test_open_sizes_are_given_and_keras_2_arguments_dropped(models: Path) -> None:
    imported = import_model(models / "open.keras", input_shapes={"picture": (1, 16, 16, 3)})
    assert imported.graph.outputs[0].shape == (1, 8, 8, 3)


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("multi.weights.h5", "RL-SOURCE-002", "weights without the model"),
        ("lambda.keras", "RL-SOURCE-014", "Lambda layers (double)"),
        ("custom.keras", "RL-SOURCE-015", "Mine"),
        ("nan", "RL-SOURCE-012", "itself answers NaN or infinity in output y"),
        ("foreign", "RL-SOURCE-011", "MatrixDeterminant"),
        ("strings", "RL-SOURCE-008", "input jpeg takes string"),
        ("four", "RL-SOURCE-007", "batch of 4"),
    ],
)
def test_what_cannot_run_on_a_camera_is_refused_with_its_reason(models: Path, name: str, code: str, says: str) -> None:
    error = refusal(models / name)
    assert (error.code, says in error.message) == (code, True), str(error)
    assert str(models / name) in error.message
    assert error.hint


def test_a_damaged_file_is_refused_with_the_decisive_line(models: Path, tmp_path: Path) -> None:
    content = (models / "multi.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    error = refusal(tmp_path / "cut.h5")
    assert error.code == "RL-SOURCE-006"
    assert "truncated file" in error.message


def test_a_float_tflite_is_taken_as_it_is(models: Path, tmp_path: Path) -> None:
    imported = import_model(models / "multi.tflite")
    assert (imported.kind, set(names(imported.graph)[0])) == ("TFLite", {"zebra", "apple"})
    assert all(not tensor.open_dimensions for tensor in imported.graph.inputs)
    reference = np.load(models / "multi.npz")
    found = run(imported.graph, tmp_path, {name: reference[name] for name in ("zebra", "apple")})
    for name, value in zip(("yak", "bear"), sorted(found.values(), key=np.size), strict=True):
        assert np.abs(value - reference[name]).max() < 1e-6, name


def test_float16_weights_become_float32(models: Path) -> None:
    assert "DEQUANTIZE" in ops(Graph.read(models / "half.tflite"))
    imported = import_model(models / "half.tflite")
    assert "DEQUANTIZE" not in ops(imported.graph)
    assert "float16" not in {tensor.dtype for tensor in imported.graph.tensors if tensor.constant}
    assert imported.max_error < 1e-6


def test_a_quantized_tflite_is_refused(models: Path) -> None:
    error = refusal(models / "int8.tflite")
    assert (error.code, "quantized already" in error.message) == ("RL-SOURCE-016", True)


def test_a_tflite_the_runtime_refuses_takes_nothing_down(models: Path, tmp_path: Path) -> None:
    graph = Graph.read(models / "multi.tflite")
    convolution = next(op for op in graph.ops if op.name == "CONV_2D")

    def turn_weights(model: Any) -> None:
        weights = model.subgraphs[0].tensors[convolution.inputs[1]]
        weights.shape = np.roll(weights.shape, 1)

    edited(graph, turn_weights).write(tmp_path / "odd.tflite")
    error = refusal(tmp_path / "odd.tflite")
    assert (error.code, error.message.startswith("LiteRT cannot import")) == ("RL-SOURCE-006", True), str(error)


def test_an_option_that_would_be_ignored_is_refused(models: Path) -> None:
    for path, options in (("multi.keras", {"signature": "a"}), ("multi.tflite", {"outputs": ["yak"]})):
        error = refusal(models / path, **options)
        assert isinstance(error, BadConfig)
        assert error.code == "RL-CONFIG-005"
