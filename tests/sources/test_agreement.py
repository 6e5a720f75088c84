from pathlib import Path

import numpy as np
import pytest

from relens.errors import BadModel
from relens.sources.agreement import TOLERANCE, compare
from relens.sources.ports import OpenPort, Port, fixed_ports, kept_outputs
from relens.sources.probes import check_probes, draw_probes, nudged

NET = Path("net.h5")


def answer(*values: float) -> list[dict[str, np.ndarray]]:
    return [{"y": np.array([values], np.float32)}]


def refusal(source: list, graph: list, rounding: list | None = None) -> BadModel:
    with pytest.raises(BadModel) as caught:
        compare(source, source if rounding is None else rounding, graph, NET)
    return caught.value


def test_errors_are_reported_as_they_are() -> None:
    agreement = compare(answer(100, 1), answer(100, 1), answer(100, 1.005), NET)
    assert agreement.max_error == pytest.approx(0.005, rel=1e-3)
    assert agreement.relative_error == pytest.approx(0.00005, rel=1e-3)


def test_outputs_are_matched_by_name_not_by_order() -> None:
    source = [{"a": np.ones(2), "b": np.zeros(2)}]
    assert compare(source, source, [{"b": np.zeros(2), "a": np.ones(2)}], NET).max_error == 0


def test_a_graph_that_answers_differently_is_refused() -> None:
    error = refusal(answer(1, 0), answer(1, 2 * TOLERANCE))
    assert error.code == "RL-SOURCE-013"
    assert "output y differs by 0.0002 where 0.0001 is allowed" in error.message


def test_small_answers_are_held_to_their_own_size() -> None:
    assert refusal(answer(1e-3, 5e-5), answer(0, 0)).code == "RL-SOURCE-013"


def test_a_graph_is_not_held_to_more_than_the_source_agrees_with_itself() -> None:
    source, graph, shaken = answer(1, 0), answer(1, 0.001), answer(1, 0.0002)
    assert compare(source, shaken, graph, NET).max_error == pytest.approx(0.001)
    assert refusal(source, answer(1, 0.01), shaken).code == "RL-SOURCE-013"


def test_nan_is_the_sources_fault_or_the_graphs() -> None:
    assert refusal(answer(np.nan), answer(np.nan)).code == "RL-SOURCE-012"
    error = refusal(answer(1), answer(np.nan))
    assert (error.code, "NaN" in error.message) == ("RL-SOURCE-013", True)


def test_a_missing_output_or_another_shape_is_refused() -> None:
    assert "output y is missing" in refusal(answer(1), [{"z": np.ones(1)}]).message
    assert "output y is (1, 1) where its source gives (1, 2)" in refusal(answer(1, 2), answer(1)).message


def test_an_open_batch_becomes_one_and_other_open_sizes_are_asked_for() -> None:
    assert fixed_ports([OpenPort("x", (None, 8, 8, 3), "float32")], None) == (Port("x", (1, 8, 8, 3), "float32"),)
    with pytest.raises(BadModel) as caught:
        fixed_ports([OpenPort("x", (None, None, None, 3), "float32")], None)
    assert caught.value.code == "RL-SOURCE-007"
    assert "input x (?, ?, ?, 3) leaves sizes open" in caught.value.message
    assert "input_shapes={'x': (1, 224, 224, 3)}" in caught.value.hint


def test_sizes_given_fill_the_open_ones_only() -> None:
    port = OpenPort("x", (None, None, 8, 3), "float32")
    assert fixed_ports([port], {"x": (1, 4, 8, 3)})[0].shape == (1, 4, 8, 3)
    assert fixed_ports([OpenPort("x", None, "uint8")], {"x": (1, 2)})[0].shape == (1, 2)
    for wrong in ((1, 4, 9, 3), (4, 8, 3), (2, 4, 8, 3)):
        with pytest.raises(BadModel, match="RL-SOURCE-007"):
            fixed_ports([port], {"x": wrong})
    with pytest.raises(BadModel, match="RL-SOURCE-010"):
        fixed_ports([port], {"y": (1, 4, 8, 3)})


def test_outputs_are_chosen_by_name() -> None:
    assert kept_outputs(["a", "b"], None) == ("a", "b")
    assert kept_outputs(["a", "b"], ["b"]) == ("b",)
    with pytest.raises(BadModel, match="RL-SOURCE-010"):
        kept_outputs(["a", "b"], ["c"])


def test_probes_are_the_same_every_time_and_in_range() -> None:
    ports = [Port("x", (1, 50, 50), "float32"), Port("i", (1, 100), "int64"), Port("b", (), "bool")]
    probes, again = draw_probes(ports), draw_probes(ports)
    for probe, other in zip(probes, again, strict=True):
        assert all((probe[name] == other[name]).all() for name in probe)
        assert probe["x"].dtype == np.float32
        assert -1 <= probe["x"].min() < -0.9 < 0.9 < probe["x"].max() < 1
        assert set(np.unique(probe["i"])) == {0, 1}
    check_probes(probes, ports)


def test_a_nudge_changes_the_last_bit_of_floats_only() -> None:
    probe = draw_probes([Port("x", (1000,), "float32"), Port("i", (100,), "int32")])[0]
    shaken = nudged(probe)
    assert (shaken["i"] == probe["i"]).all()
    change = np.abs(shaken["x"] / probe["x"] - 1)
    assert 0 < change.max() <= 2.5e-7


def test_probes_that_do_not_fit_are_refused() -> None:
    ports = [Port("x", (1, 4), "float32")]
    for wrong in ({"y": np.ones((1, 4), np.float32)}, {"x": np.ones(4, np.float32)}, {"x": np.ones((1, 4))}, {}):
        with pytest.raises(BadModel) as caught:
            check_probes([wrong], ports)
        assert caught.value.code == "RL-SOURCE-009"
        assert "the model takes x float32 (1, 4)" in caught.value.message
