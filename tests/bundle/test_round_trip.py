import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorMapT

from relens.bundle import Bundle, GoldenFrame, Manifest, open_bundle, positions, reader, sampled
from relens.bundle.archive import unpacked
from relens.errors import BadConfig, BadData, BadModel, RelensError
from relens.graph import Graph
from relens.graph.flatbuffer import edited
from relens.spec import Goals


def test_the_manifest_comes_back_as_it_was_written(content: Any, tmp_path: Path) -> None:
    written = content.write(tmp_path / "a.relens")
    assert written == open_bundle(tmp_path / "a.relens", tmp_path).manifest
    assert content.draft == written.model_copy(update={"files": ()})


def test_the_model_comes_back_byte_for_byte_under_its_hash(content: Any, bundle: Bundle) -> None:
    assert content.model.content == bundle.model.read_bytes()
    assert f"{content.model.sha256[:16]}.tflite" == bundle.model.name


def test_labels_come_back_with_blanks_quotes_and_every_script(content: Any, tmp_path: Path) -> None:
    labels = (
        "",
        " two  words ",
        'a "quoted" one, with comma',
        "tab\tinside",
        "寿司",
        "🍣",
        "\u202eright to left",
        "\ufeff",
    )
    content.but(labels=labels).write(tmp_path / "a.relens")
    assert labels == open_bundle(tmp_path / "a.relens", tmp_path).labels


def test_no_labels_come_back_as_none(content: Any, tmp_path: Path) -> None:
    content.but(labels=()).write(tmp_path / "a.relens")
    assert open_bundle(tmp_path / "a.relens", tmp_path).labels == ()


def test_golden_frames_come_back_bit_for_bit(content: Any, bundle: Bundle) -> None:
    assert len(content.golden) == len(bundle.golden)
    for wanted, found in zip(content.golden, bundle.golden, strict=True):
        assert wanted.name == found.name
        assert wanted.frame.dtype == found.frame.dtype
        np.testing.assert_array_equal(wanted.frame, found.frame)
        assert list(wanted.expected) == list(found.expected)
        for name, values in wanted.expected.items():
            assert values.tobytes() == found.expected[name].tobytes()


def test_any_picture_and_any_finite_float_survive(content: Any, tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    extremes = np.array([0.0, -0.0, 1e-45, -3.4e38, 1 / 3], np.float32)
    golden = tuple(
        GoldenFrame("any", chance.integers(0, 256, (height, width, 3), np.uint8), {content.model.outputs[0].name: v})
        for (height, width), v in (((1, 1), extremes), ((1, 700), extremes[:0]), ((333, 2), np.arange(8192.0)))
    )
    content.but(golden=golden).write(tmp_path / "a.relens")
    found = open_bundle(tmp_path / "a.relens", tmp_path).golden
    assert [item.name for item in found] == ["000", "001", "002"]
    for one, other in zip(golden, found, strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)
        (values,) = one.expected.values()
        assert values.astype(np.float32).tobytes() == other.expected[content.model.outputs[0].name].tobytes()


def test_a_bundle_without_golden_frames_opens(content: Any, tmp_path: Path) -> None:
    content.but(golden=()).write(tmp_path / "a.relens")
    assert open_bundle(tmp_path / "a.relens", tmp_path).golden == ()


def test_outputs_are_told_apart_by_name_whatever_order_they_come_in(
    two_outputs: Graph, content: Any, tmp_path: Path
) -> None:
    first, second = (tensor.name for tensor in two_outputs.outputs)
    values = {second: np.array([2, 2], np.float32), first: np.array([1], np.float32)}
    golden = (replace(content.golden[0], expected=values),)
    content.but(model=two_outputs, golden=golden).write(tmp_path / "a.relens")
    (found,) = open_bundle(tmp_path / "a.relens", tmp_path).golden
    assert {first: [1.0], second: [2.0, 2.0]} == {name: v.tolist() for name, v in found.expected.items()}


@pytest.fixture
def two_outputs(content: Any) -> Graph:
    """The shape classifier that answers with what goes into its last operation, too."""

    def widen(model: Any) -> None:
        main = model.subgraphs[0]
        inner = int(main.operators[-1].inputs[0])
        main.outputs = [inner, *main.outputs]
        entry = TensorMapT()
        entry.name, entry.tensorIndex = "a inner", inner
        model.signatureDefs[0].outputs.append(entry)

    return edited(content.model, widen)


def test_the_hash_is_that_of_the_file(bundle: Bundle, bundle_file: Path) -> None:
    assert hashlib.sha256(bundle_file.read_bytes()).hexdigest() == bundle.sha256


def test_the_hash_and_the_content_are_of_one_reading(
    bundle_file: Path, content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file replaced while it is opened must not lend its hash to the other one's content."""
    path = tmp_path / "a.relens"
    path.write_bytes(bundle_file.read_bytes())
    before = hashlib.sha256(path.read_bytes()).hexdigest()

    def meddle(*arguments: Any) -> dict[str, bytes]:
        content.but(labels=("other",)).write(path)
        return unpacked(*arguments)

    monkeypatch.setattr(reader, "unpacked", meddle)
    opened = open_bundle(path, tmp_path)
    assert (before, content.labels) == (opened.sha256, opened.labels)


def test_a_small_output_is_kept_whole_and_a_large_one_evenly() -> None:
    assert list(range(8192)) == positions(8192).tolist()
    for size in (8193, 100_000, 12_345_678):
        kept = positions(size)
        wanted = [round(i * ((size - 1) / 8191)) for i in range(8191)] + [size - 1]
        assert wanted == kept.tolist(), size
    assert positions(1).tolist() == [0]
    assert positions(0).tolist() == []


def test_samples_are_taken_of_the_flattened_output_last_dimension_fastest() -> None:
    output = np.arange(3 * 5 * 7 * 100, dtype=np.float32).reshape(3, 5, 7, 100)
    (kept,) = sampled({"o": output}).values()
    np.testing.assert_array_equal(positions(output.size), kept)


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        (lambda c: {"labels": ("one\ntwo",)}, BadData, "RL-DATA-003"),
        (lambda c: {"labels": ("\x1b[2J",)}, BadData, "RL-DATA-003"),
        (lambda c: {"labels": ("half \ud800",)}, BadData, "RL-DATA-003"),
        (lambda c: {"labels": ("x" * 1000,) * 1100}, BadData, "RL-DATA-003"),
        (lambda c: {"draft": named(c.draft, "../out")}, BadConfig, "RL-CONFIG-003"),
        (lambda c: {"draft": named(c.draft, ".hidden")}, BadConfig, "RL-CONFIG-003"),
        (lambda c: {"draft": named(c.draft, "a\\b")}, BadConfig, "RL-CONFIG-003"),
        (lambda c: {"draft": named(c.draft, "bell\a")}, BadConfig, "RL-CONFIG-003"),
        (lambda c: {"draft": named(c.draft, "x" * 201)}, BadConfig, "RL-CONFIG-003"),
        (lambda c: {"draft": endless(c.draft)}, BadConfig, "RL-CONFIG-003"),
        (lambda c: {"golden": (large(c.golden[0]),)}, BadData, "RL-DATA-002"),
        (lambda c: {"golden": (spoilt(c.golden[0], np.nan),)}, BadModel, "RL-SOURCE-012"),
        (lambda c: {"golden": (spoilt(c.golden[0], np.inf),)}, BadModel, "RL-SOURCE-012"),
    ],
)
def test_what_a_reader_would_refuse_is_not_written(
    content: Any, tmp_path: Path, change: Any, kind: type[RelensError], code: str
) -> None:
    with pytest.raises(kind) as refused:
        content.but(**change(content)).write(tmp_path / "a.relens")
    assert code == refused.value.code
    assert list(tmp_path.iterdir()) == []


def named(draft: Manifest, name: str) -> Manifest:
    return draft.model_copy(update={"name": name})


def endless(draft: Manifest) -> Manifest:
    return draft.model_copy(update={"goals": Goals().model_copy(update={"max_latency_ms": float("inf")})})


def large(golden: GoldenFrame) -> GoldenFrame:
    return replace(golden, frame=np.broadcast_to(np.uint8(0), (10_000, 7_000, 3)))


def spoilt(golden: GoldenFrame, value: float) -> GoldenFrame:
    return replace(golden, expected={name: np.full(3, value, np.float32) for name in golden.expected})


@pytest.mark.parametrize(
    "change",
    [
        {"frame": np.zeros((4, 4), np.uint8)},
        {"frame": np.zeros((4, 4, 4), np.uint8)},
        {"frame": np.zeros((4, 4, 3), np.float32)},
        {"frame": np.zeros((0, 4, 3), np.uint8)},
        {"expected": {}},
        {"expected": {"somewhere else": np.zeros(3, np.float32)}},
    ],
)
def test_golden_frames_that_do_not_fit_the_model_are_a_mistake_of_the_caller(
    content: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="golden frame 000"):
        content.but(golden=(replace(content.golden[0], **change),)).write(tmp_path / "a.relens")
    assert list(tmp_path.iterdir()) == []


def test_more_golden_files_than_fit_are_a_mistake_of_the_caller(content: Any, tmp_path: Path) -> None:
    tiny = replace(content.golden[0], frame=np.zeros((1, 1, 3), np.uint8))
    with pytest.raises(ValueError, match="1024"):
        content.but(golden=(tiny,) * 511).write(tmp_path / "a.relens")
    assert list(tmp_path.iterdir()) == []
    content.but(golden=(tiny,) * 510).write(tmp_path / "a.relens")
    assert len(open_bundle(tmp_path / "a.relens", tmp_path).golden) == 510
