import numpy as np
import pytest

from relens.compress.layers import blocks, remove_layers
from relens.errors import BadModel
from relens.graph import Graph, cost
from relens.graph.edit import rewired
from relens.spec import InputSpec
from relens.vision import frames_from

SPEC = InputSpec(interpolation="antialias", scaling="-1..1")


def test_every_block_of_mobilenet_can_go_by_itself(flowers_graph) -> None:
    graph = Graph.read(flowers_graph)
    found = blocks(graph)

    whole = cost(graph).macs
    assert found
    for block in found:
        without = rewired(graph, {block.end: block.start})
        assert len(graph.ops) - len(without.ops) == len(block.ops), str(block)
        assert whole - cost(without).macs == block.macs, str(block)
        assert [tensor.shape for tensor in without.outputs] == [tensor.shape for tensor in graph.outputs]


def test_a_block_never_replaces_a_rectified_tensor_by_a_signed_one(yolox_graph) -> None:
    graph = Graph.read(yolox_graph)
    producer = {index: op for op in graph.ops for index in op.outputs}

    for block in blocks(graph):
        ends = [producer.get(tensor) for tensor in (block.start, block.end)]
        activations = [getattr(op.options, "fusedActivationFunction", 0) if op else 0 for op in ends]
        assert activations[0] == activations[1], str(block)


@pytest.fixture(scope="module")
def flowers(flowers_graph, shared_data):
    return Graph.read(flowers_graph), frames_from(shared_data / "flowers" / "calib", 24)


def test_blocks_go_until_the_work_that_was_asked_for_is_saved(flowers) -> None:
    graph, frames = flowers

    cut = remove_layers(graph, frames, SPEC, macs_share=0.8)

    assert cut.macs_share <= 0.8
    assert cut.macs_share == pytest.approx(cost(cut.graph).macs / cost(graph).macs)
    assert all(np.isfinite(one.damage) for one in cut.removed)
    assert "LayerCut(" in repr(cut)
    assert len(repr(cut).splitlines()) <= 10


def test_a_bound_that_no_block_keeps_is_refused(flowers) -> None:
    graph, frames = flowers

    with pytest.raises(BadModel) as refused:
        remove_layers(graph, frames, SPEC, macs_share=0.5, max_damage=1e-9)

    assert refused.value.code == "RL-COMPRESS-001"
