"""Training through operations that stay as they are: their results are worked out, not learned."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from relens.compress.heal import Augmentation, HealSettings, Moment, Pictures, heal
from relens.compress.heal.bridge import Bridge
from relens.compress.heal.compiling import compiles
from relens.compress.heal.counterparts import counterparts
from relens.compress.heal.normal import Statistician, normalized
from relens.compress.heal.pairing import paired
from relens.errors import BadModel
from relens.graph import Graph, Tensor
from relens.graph.edit import rewired, with_operands, with_outputs
from relens.graph.tensor import WEIGHTED
from relens.lift import lift, lower
from relens.lift.layers import numbers

KINDS = (
    "loop",
    "memory",
    "suppression",
    "looked_up",
    "mixed",
    "flattened",
    "spectrum",
    "odd_size",
    "divided",
    "joined",
    "picked",
    "total",
)
SETTINGS = HealSettings(
    epochs=12, batch=16, learning_rate=5e-3, augmentation=Augmentation(crop=0.9, colour=0.1, mixup=0.0)
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_model_behind_a_bridge_answers_as_the_whole_graph(kept_graphs, answers, kind) -> None:
    graph = Graph.read(kept_graphs / f"{kind}.tflite")
    lifted = lift(graph)
    random = np.random.default_rng(3)
    for variable in lifted.model.trainable_variables:
        old = numbers(variable)
        variable.assign(old + random.normal(0, 0.1 * np.abs(old).mean(), old.shape).astype(np.float32))
    pictures = {graph.inputs[0].name: random.uniform(-1, 1, (3, 9, 7, 6)).astype(np.float32)}

    inputs = Bridge(lifted)(pictures)

    assert {*lifted.fed, *pictures} == set(inputs)
    found, expected = lifted.model.predict_on_batch(inputs), answers(lower(lifted), pictures)
    for tensor in graph.outputs:
        wanted = expected[tensor.name]
        assert np.abs(found[tensor.name] - wanted).max() <= 1e-5 * np.abs(wanted).max(), tensor.name


class Noise:
    """Batches of random pictures, the same every time, where training takes its statistics from."""

    def __init__(self, name: str) -> None:
        self.name = name

    def of(self, tensor: Tensor) -> "Noise":
        return Noise(tensor.name)

    def __iter__(self) -> Iterator[dict[str, np.ndarray]]:
        random = np.random.default_rng(8)
        return ({self.name: random.uniform(-1, 1, (count, 9, 7, 6)).astype(np.float32)} for count in (3, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_one_step_moves_every_kernel_in_front_and_behind(kept_graphs, with_noise, kind) -> None:
    graph = Graph.read(kept_graphs / f"{kind}.tflite")
    noise = Noise(graph.inputs[0].name)
    model = paired(graph, with_noise(graph, 0.1), HealSettings(), noise, normalized)
    lifted = model.student_bridge.lifted
    model.compile(optimizer="sgd", jit_compile=compiles())
    kernels = {op: numbers(block.layer.kernel) for op, block in lifted.blocks.items()}

    for pictures in noise:
        loss = model.train_on_batch(model.both(pictures))
        assert np.isfinite(loss)

    still = [op for op, kernel in kernels.items() if np.array_equal(kernel, numbers(lifted.blocks[op].layer.kernel))]
    assert still == []
    lower(lifted)  # refuses what is not finite


def test_without_kept_operations_in_the_middle_there_is_nothing_to_cross(lesson) -> None:
    bridge = Bridge(lift(lesson.graph))
    pictures = {"picture": np.zeros((2, 32, 32, 3), np.float32)}

    assert not bridge
    assert bridge(pictures) == pictures


def test_an_operation_that_nothing_here_runs_is_named(kept_graphs) -> None:
    with pytest.raises(BadModel, match=r"RL-LIFT-001.*1 x MatrixDeterminant \(no rule for it\)"):
        Bridge(lift(Graph.read(kept_graphs / "foreign.tflite")))


def test_a_convolution_that_is_kept_is_not_normalized(kept_graphs) -> None:
    graph = Graph.read(kept_graphs / "odd_size.tflite")
    pictures = {graph.inputs[0].name: np.random.default_rng(1).uniform(-1, 1, (3, 9, 7, 6)).astype(np.float32)}

    lifted = normalized(graph, [pictures])

    assert {"TRANSPOSE_CONV"} == {kept.op.name for kept in lifted.kept}
    put_back = [graph.ops[op].name for op, block in lifted.blocks.items() if block.normalization is not None]
    assert put_back == ["CONV_2D"]


def test_behind_a_bridge_the_statistics_are_those_of_what_the_whole_graph_computes(kept_graphs, answers) -> None:
    graph = Graph.read(kept_graphs / "mixed.tflite")
    noise = Noise(graph.inputs[0].name)
    lifted = normalized(graph, noise)
    first, second = (op for op, block in lifted.blocks.items() if block.normalization is not None)
    kernel = lifted.blocks[first].layer.kernel
    kernel.assign(-2.0 * kernel)

    Statistician(Bridge(lifted)).refresh(noise)

    whole = lower(lifted)
    seen = with_outputs(whole, [whole.ops[second].outputs[0]])
    pictures = np.concatenate([batch[noise.name] for batch in noise])
    found = answers(seen, {noise.name: pictures})[seen.outputs[-1].name]
    mean, wanted = found.mean(axis=(0, 1, 2)), numbers(lifted.blocks[second].normalization.beta)
    assert np.abs(mean - wanted).max() < 1e-3 * found.std(), f"mean {mean}, shift {wanted}"


def test_both_sides_of_kept_operations_learn_again(interrupted, with_noise) -> None:
    student = with_noise(interrupted.graph, 0.7)

    settings = replace(SETTINGS, epochs=16)
    healed = heal(interrupted.graph, student, Pictures(interrupted.frames, interrupted.spec), settings)

    assert "kept as they are: 1 x GATHER_ND (no rule for it); 2 x CUMSUM (no rule for it)" in str(healed)
    assert [op.name for op in healed.graph.ops] == [op.name for op in interrupted.graph.ops]
    teacher, before, after = (interrupted.top1(graph) for graph in (interrupted.graph, student, healed.graph))
    assert before < teacher - 0.1, f"teacher {teacher}, spoilt {before}"
    assert after > teacher - 0.05, f"teacher {teacher}, spoilt {before}, healed {after}"
    # Each side alone stands in for the teacher's: what the operations between read and give is the same again.
    border = min(kept.op.index for kept in lift(interrupted.graph).kept)
    for side in (range(border), range(border, len(interrupted.graph.ops))):
        spoilt, mended = (
            _off(interrupted, _transplanted(interrupted.graph, of, side)) for of in (student, healed.graph)
        )
        assert mended < 0.3 * spoilt, f"squared error of ops {side}: spoilt {spoilt}, healed {mended}"


def test_a_training_that_was_stopped_goes_on_to_the_same_graph(interrupted, with_noise, tmp_path) -> None:
    student, checkpoint = with_noise(interrupted.graph, 0.7), tmp_path / "state.npz"
    pictures, settings = Pictures(interrupted.frames, interrupted.spec), replace(SETTINGS, epochs=3)

    def stop(moment: Moment) -> None:
        if moment.epoch == 1:
            raise KeyboardInterrupt

    straight = heal(interrupted.graph, student, pictures, settings)
    with pytest.raises(KeyboardInterrupt):
        heal(interrupted.graph, student, pictures, settings, checkpoint=checkpoint, progress=stop)
    assert checkpoint.exists()
    moments: list[Moment] = []
    resumed = heal(interrupted.graph, student, pictures, settings, checkpoint=checkpoint, progress=moments.append)

    assert {moment.epoch for moment in moments} == {1, 2}
    assert resumed.graph.sha256 == straight.graph.sha256
    assert resumed.after < resumed.before, "else both are what they started from"


def test_a_student_whose_channels_were_cut_through_a_kept_operation_learns(interrupted, with_noise) -> None:
    student = with_noise(_narrowed(interrupted.graph, 16), 0.7)

    healed = heal(interrupted.graph, student, Pictures(interrupted.frames, interrupted.spec), SETTINGS)

    before, after = (_off(interrupted, graph) for graph in (student, healed.graph))
    assert after < 0.4 * before, f"squared error: cut {before}, healed {after}"


def test_a_student_without_its_teachers_strange_operations_learns(interrupted, lesson, with_noise) -> None:
    student = with_noise(lesson.graph, 0.7)

    healed = heal(interrupted.graph, student, Pictures(lesson.frames, lesson.spec), SETTINGS)

    before, after, teacher = (_off(interrupted, graph) for graph in (student, healed.graph, lesson.graph))
    assert healed.kept == ()
    assert after < 0.3 * before, (
        f"squared error: spoilt {before}, taught {after}, trained without the teacher {teacher}"
    )


def test_after_a_block_is_gone_kept_operations_are_known_by_what_they_make(interrupted, with_noise) -> None:
    graph = interrupted.graph
    first, second, third = (kept.op for kept in lift(graph).kept)
    shorter = with_noise(rewired(graph, {second.outputs[0]: second.inputs[0]}), 0.7)
    teacher, student = lift(graph), lift(shorter)

    assert [kept.op.name for kept in student.kept] == ["GATHER_ND", "CUMSUM"]
    assert [first, third] == counterparts(teacher, student)
    settings = replace(SETTINGS, epochs=2)
    healed = heal(graph, shorter, Pictures(interrupted.frames, interrupted.spec), settings)
    assert healed.after < 0.5 * healed.before, str(healed)


def test_a_kept_operation_that_the_teacher_does_not_have_is_refused(interrupted, lesson) -> None:
    with pytest.raises(BadModel, match=r"RL-LIFT-003: GATHER_ND \(op 3\) of the student is not in the teacher; .*none"):
        heal(lesson.graph, interrupted.graph, Pictures(lesson.frames, lesson.spec), SETTINGS)


def _off(lesson, graph: Graph) -> float:
    return float(np.square(lesson.answers(graph) - lesson.answers(lesson.graph)).mean())


def _transplanted(graph: Graph, other: Graph, ops: range) -> Graph:
    """The graph with another's weights in some operations."""
    weighted = [op for op in ops if graph.ops[op].name in WEIGHTED]
    return with_operands(
        graph,
        {
            (op, place): other.constant(other.tensors[other.ops[op].inputs[place]])
            for op in weighted
            for place in (1, 2)
        },
    )


def _narrowed(graph: Graph, channels: int) -> Graph:
    """With fewer of the 24 channels that the kept operations see, by hand: no step of ours cuts through them."""
    front = max(op.index for op in graph.ops[:3] if op.name == "CONV_2D")
    shape = next(op for op in graph.ops if op.name == "RESHAPE")
    back = next(op for op in graph.ops[front + 1 :] if op.name == "CONV_2D")

    def of(op: int, place: int) -> np.ndarray:
        return graph.constant(graph.tensors[graph.ops[op].inputs[place]])

    seen = [*range(channels), *range(24, 24 + 12), *range(36, 36 + channels - 12)]
    return with_operands(
        graph,
        {
            (front, 1): of(front, 1)[:channels],
            (front, 2): of(front, 2)[:channels],
            (shape.index, 1): np.array([1, 8, 8, channels], np.int32),
            (back.index, 1): np.ascontiguousarray(of(back.index, 1)[..., seen]),
        },
    )
