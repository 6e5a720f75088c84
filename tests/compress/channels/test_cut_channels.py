"""The one call: targets, refusals, what it prints, cutting twice."""

import numpy as np
import pytest

from relens.compress.channels import ChannelCut, Study, cut_channels, study_channels
from relens.errors import BadConfig, BadModel
from relens.graph import Graph, cost
from relens.spec import InputSpec
from relens.vision.frames import Frames

pytestmark = pytest.mark.alone

SPEC = InputSpec()


@pytest.fixture(scope="module")
def prior(networks: dict[str, Graph], pictures: Frames) -> Study:
    return study_channels(networks["joined"], pictures, SPEC)


@pytest.fixture(scope="module")
def half(networks: dict[str, Graph], pictures: Frames, prior: Study) -> ChannelCut:
    return cut_channels(networks["joined"], pictures, SPEC, speedup=1.5, prior=prior)


def test_a_speedup_is_met_as_measured(half: ChannelCut, networks: dict[str, Graph]) -> None:
    assert half.plan.speedup == pytest.approx(1.5, rel=0.25)
    assert cost(half.graph).macs < cost(networks["joined"]).macs
    assert [op.name for op in half.graph.ops] == [op.name for op in networks["joined"].ops]


def test_a_repaired_cut_does_less_damage_than_a_bare_one(half: ChannelCut) -> None:
    assert half.damage <= half.damage_unrepaired


def test_a_plan_prints_in_ten_lines(half: ChannelCut) -> None:
    assert len(repr(half.plan).splitlines()) <= 10
    assert "groups cut" in repr(half)


def test_damage_grows_as_widths_fall(prior: Study) -> None:
    for damages in prior.damages.values():
        assert damages[0] == 0
        assert np.all(np.diff(damages) >= 0)


def test_a_cut_graph_can_be_cut_again_with_the_original_as_teacher(
    networks: dict[str, Graph], pictures: Frames
) -> None:
    graph = networks["dense_out"]
    once = cut_channels(graph, pictures, SPEC, ratio=0.3)
    again = cut_channels(once.graph, pictures, SPEC, ratio=0.3, teacher=graph)
    assert cost(again.graph).macs < cost(once.graph).macs < cost(graph).macs


def test_widths_can_be_given(networks: dict[str, Graph], pictures: Frames, prior: Study) -> None:
    group = max(prior.groups.free, key=lambda item: item.unit_macs * item.size)
    width = group.widths[-1]
    found = cut_channels(networks["joined"], pictures, SPEC, widths={group.index: width}, prior=prior)
    assert {index: len(kept) for index, kept in found.kept.items()} == {group.index: width}


def test_a_graph_without_anything_to_cut_is_refused(networks: dict[str, Graph], pictures: Frames) -> None:
    with pytest.raises(BadModel, match=r"RL-COMPRESS-001.*can be cut"):
        cut_channels(networks["locked"], pictures, SPEC, speedup=1.5)


def test_a_cut_that_is_no_faster_is_refused(networks: dict[str, Graph], pictures: Frames, prior: Study) -> None:
    with pytest.raises(BadModel, match="not faster"):
        cut_channels(networks["joined"], pictures, SPEC, widths={}, prior=prior)


@pytest.mark.parametrize(
    "target", [{}, {"speedup": 2.0, "ratio": 0.5}, {"speedup": 0.5}, {"ratio": 1.0}, {"widths": {0: 1}}]
)
def test_targets_that_make_no_sense_are_refused(
    networks: dict[str, Graph], pictures: Frames, prior: Study, target: dict[str, object]
) -> None:
    with pytest.raises(BadConfig, match=r"RL-CONFIG-00[35]"):
        cut_channels(networks["joined"], pictures, SPEC, prior=prior, **target)
