from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from relens.compress.heal import Pictures
from relens.compress.heal.bridge import Bridge
from relens.compress.qat import QAT_SETTINGS, quantization_aware
from relens.compress.qat.layers import FakeQuantizedKernel, FakeQuantizedTensor, on_grid
from relens.compress.qat.plan import plan
from relens.compress.qat.training import _dressed
from relens.graph import Graph
from relens.quantize import quantize

SETTINGS = replace(QAT_SETTINGS, epochs=6, batch=8, learning_rate=1e-2)


@pytest.mark.parametrize(("bits", "io"), [(8, "float32"), (8, "int8"), (7, "int8"), (4, "float32")])
def test_the_file_answers_as_it_did_in_training(lesson, bits, io) -> None:
    pictures = Pictures(lesson.frames, lesson.spec)

    made = quantization_aware(lesson.graph, lesson.graph, pictures, lesson.samples, bits=bits, io=io, settings=SETTINGS)

    teacher, file = lesson.top1(lesson.graph), lesson.top1(made.candidate.graph)
    # One of the 120 pictures is 0.008, and the classifier itself differs with the processor that trained it.
    assert file >= teacher - 0.05, f"float {teacher}, {bits} bits {file}"
    trained = made.lifted.model
    inputs = np.concatenate([sample["picture"] for sample in lesson.samples])
    believed = np.asarray(trained({"picture": inputs})["scores"])
    real = np.array([_asked(made.candidate.graph, one) for one in inputs])
    # The runtime rounds products its own way: now and then a logit is one level off, 0.02 behind a softmax.
    assert np.abs(believed - real).mean() <= 1 / 256
    assert np.abs(believed - real).max() <= 8 / 256


def test_the_learned_ranges_stand_in_the_file(lesson) -> None:
    pictures = Pictures(lesson.frames, lesson.spec)

    made = quantization_aware(lesson.graph, lesson.graph, pictures, lesson.samples, io="int8", settings=SETTINGS)

    plain = quantize(lesson.graph, "int8", samples=lesson.samples).graph
    _check_ranges(made.ranges, made.candidate.graph, plain)


def test_four_bit_training_wins_back_what_plain_four_bits_lose(lesson) -> None:
    pictures = Pictures(lesson.frames, lesson.spec)
    plain = quantize(lesson.graph, "int8", samples=lesson.samples, weight_bits=4).graph

    made = quantization_aware(
        lesson.graph, lesson.graph, pictures, lesson.samples, bits=4, io="int8", settings=SETTINGS
    )

    reference = lesson.answers(lesson.graph)
    lost, left = (np.square(lesson.answers(graph) - reference).mean() for graph in (plain, made.candidate.graph))
    assert left < lost, f"squared error: plain {lost}, trained {left}"


def test_what_stays_float_moves_in_levels_too(lesson) -> None:
    convolutions = [op for op in lesson.graph.ops if op.name == "CONV_2D"]
    kept = [lesson.graph.tensors[op.outputs[0]].tensor_name for op in convolutions[:2]]
    settings = replace(QAT_SETTINGS, epochs=1, batch=8)

    made = quantization_aware(
        lesson.graph,
        lesson.graph,
        Pictures(lesson.frames, lesson.spec),
        lesson.samples,
        keep_float=kept,
        settings=settings,
    )

    types = [
        made.candidate.graph.tensors[op.inputs[1]].dtype for op in made.candidate.graph.ops if op.name == "CONV_2D"
    ]
    assert types[:2] == ["float32", "float32"] and "int8" in types
    for op in convolutions[:2]:
        before, after = (_kernel(graph, op.index) for graph in (lesson.graph, made.graph))
        level = np.abs(before).max(axis=(1, 2, 3), keepdims=True) / 127
        moved = np.abs((after - before) / level).max()
        assert 0 < moved < 1, f"{moved} levels in one epoch"


@pytest.mark.parametrize(("bits", "epochs"), [(8, 3), (4, 10)])
def test_around_operations_that_stay_as_they_are_the_file_answers_as_in_training(interrupted, bits, epochs) -> None:
    graph, samples = interrupted.graph, interrupted.samples
    pictures, settings = Pictures(interrupted.frames, interrupted.spec), replace(SETTINGS, epochs=epochs)
    plain = quantize(graph, "int8", samples=samples, weight_bits=bits).graph

    made = quantization_aware(graph, graph, pictures, samples, bits=bits, io="int8", settings=settings)

    file = made.candidate.graph
    kept = {"GATHER_ND": "int8", "CUMSUM": "float32"}
    assert kept.items() <= {op.name: file.tensors[op.inputs[0]].dtype for op in file.ops[:10]}.items()
    inputs = np.concatenate([sample["picture"] for sample in samples])
    believed = made.lifted.model.predict_on_batch(Bridge(made.lifted)({"picture": inputs}))["scores"]
    real = np.array([_asked(file, one) for one in inputs])
    assert np.abs(believed - real).mean() <= 1 / 256
    _check_ranges(made.ranges, file, plain)
    assert interrupted.top1(file) >= interrupted.top1(graph) - 0.05


def test_what_a_kept_operation_moves_is_rounded_on_its_operands_grid(interrupted) -> None:
    graph = interrupted.graph
    integer = quantize(graph, "int8", samples=interrupted.samples).graph

    ranges = plan(graph, integer).ranges

    moved = next(op for op in graph.ops if op.name == "GATHER_ND")
    found = ranges[moved.outputs[0]]
    assert found.group == ranges[moved.inputs[0]].group
    lifted = _dressed(partial(plan, integer=integer), graph, [])
    inputs = Bridge(lifted)({"picture": interrupted.samples[0]["picture"]})
    name, level = graph.tensors[moved.outputs[0]].name, (found.high - found.low) / 255
    levels = np.round(inputs[name] / level)
    exact, off = (
        lifted.model.predict_on_batch({**inputs, name: ((levels + share) * level).astype(np.float32)})
        for share in (0.0, 0.3)
    )
    for key, value in exact.items():
        assert np.array_equal(value, off[key]), key


def test_the_plan_rounds_where_the_integer_file_does(yolox_graph) -> None:
    graph = Graph.read(yolox_graph)
    random = np.random.default_rng(0)
    samples = [{"images": random.uniform(0, 255, (1, 416, 416, 3)).astype(np.float32)}]
    integer = quantize(graph, "int8", samples=samples).graph

    steps = plan(graph, integer)

    kept = {tensor.tensor_name for tensor in integer.tensors if tensor.dtype == "int8" and not tensor.constant}
    names = {graph.tensors[index].tensor_name for index in steps.ranges}
    assert names >= kept & {tensor.tensor_name for tensor in graph.tensors}
    sigmoids = [op.outputs[0] for op in graph.ops if op.name == "LOGISTIC"]
    assert all(not steps.ranges[index].learned for index in sigmoids)
    reshaped = [op for op in graph.ops if op.name == "RESHAPE" and op.outputs[0] in steps.ranges]
    assert all(not steps.ranges[op.outputs[0]].rounds for op in reshaped)
    assert len(steps.kernels) == sum("CONV" in op.name for op in graph.ops)
    scales = {tensor.tensor_name: tensor.scale for tensor in integer.tensors}
    joined = 0
    for op in graph.ops:
        if op.name == "CONCATENATION" and op.outputs[0] in steps.ranges:
            scale = scales[graph.tensors[op.outputs[0]].tensor_name]
            alike = [index for index in op.inputs if scales.get(graph.tensors[index].tensor_name) == scale]
            assert {steps.ranges[index].group for index in (*alike, *op.outputs)} == {steps.ranges[op.outputs[0]].group}
            joined += len(alike)
    assert joined > 20, "operands of concatenations lie on the results' grids"


def test_a_rounded_tensor_lies_on_its_grid_and_zero_is_on_it() -> None:
    layer = FakeQuantizedTensor(-1.0, 3.0)

    values = np.asarray(layer(np.array([-9.0, -0.5, 0.0, 0.7, 9.0], np.float32)))

    steps = values / (4.0 / 255)
    assert np.abs(steps - np.round(steps)).max() < 1e-3
    assert values[2] == 0.0
    assert values[0] == pytest.approx(-1.0, abs=0.02)
    assert values[-1] == pytest.approx(3.0, abs=0.02)


def test_the_gradient_of_rounding_is_that_of_learned_step_sizes() -> None:
    """Against the rule written out in numpy (Esser et al. 2020, with LSQ+'s zero point held)."""
    random = np.random.default_rng(0)
    x, above = random.normal(0, 2, (2, 40, 5)).astype(np.float32)
    low, high = -1.7, 2.3
    scale = (high - low) / 255
    zero = np.round(-low / scale)
    steps = x / scale + zero
    inside = (steps >= 0) & (steps <= 255)
    of_scale = np.where(inside, np.round(steps) - steps, np.clip(steps, 0, 255) - zero)

    given = [tf.constant(value) for value in (x, low, high)]
    with tf.GradientTape() as tape:
        tape.watch(given)
        loss = tf.reduce_sum(above * on_grid(*given))
    found = tape.gradient(loss, given)

    assert np.abs(np.asarray(found[0]) - above * inside).max() == 0
    assert float(found[2]) == pytest.approx(float((above * of_scale).sum() / 255), rel=1e-4)
    assert float(found[1]) == pytest.approx(-float(found[2]), rel=1e-6)


@pytest.mark.parametrize(("bits", "top"), [(8, 127), (7, 63), (4, 7)])
def test_every_channel_of_a_rounded_kernel_reaches_its_last_level(bits, top) -> None:
    kernel = np.random.default_rng(0).standard_normal((3, 3, 4, 8)).astype(np.float32)
    layer = FakeQuantizedKernel(kernel, (0, 1, 2), bits)

    rounded = np.asarray(layer(kernel))

    largest = np.abs(rounded).max((0, 1, 2))
    steps = rounded / (largest / top)
    assert np.abs(steps - np.round(steps)).max() < 1e-3
    assert np.unique(np.round(steps)).size <= 2 * top + 1


def _check_ranges(ranges: Mapping[str, tuple[float, float]], file: Graph, plain: Graph) -> None:
    """They are the file's, and others than without training."""
    stored, untrained = ({tensor.tensor_name: tensor for tensor in graph.tensors} for graph in (file, plain))
    # What is computed in float has its range in front of its readers.
    scales = {name: (high - low) / 255 for name, (low, high) in ranges.items() if stored[name].dtype == "int8"}
    assert scales
    for name, scale in scales.items():
        assert stored[name].scale == pytest.approx(scale, rel=1e-5), name
    assert any(abs(stored[name].scale / untrained[name].scale - 1) > 1e-3 for name in scales), "nothing was learned"


def _asked(graph: Graph, picture: np.ndarray) -> np.ndarray:
    runtime = Interpreter(model_content=graph.content)
    runtime.allocate_tensors()
    entry, output = graph.inputs[0], graph.outputs[0]
    given = picture[None]
    if entry.scale is not None:
        given = np.clip(np.round(given / entry.scale) + entry.zero_point, -128, 127).astype(np.int8)
    runtime.set_tensor(entry.index, given)
    runtime.invoke()
    found = runtime.get_tensor(output.index)[0]
    return found if output.scale is None else (found.astype(np.float32) - output.zero_point) * output.scale


def _kernel(graph: Graph, op: int) -> np.ndarray:
    return graph.constant(graph.tensors[graph.ops[op].inputs[1]])
