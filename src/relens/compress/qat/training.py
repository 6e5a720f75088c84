"""Quantization-aware training of any float graph: it learns to answer well with the integer file's roundings."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from keras.layers import Layer

from relens.compress.heal import Augmentation, Epoch, HealSettings, Pictures, Watch, train
from relens.compress.qat.layers import FakeQuantizedKernel, FakeQuantizedTensor, LevelKernel
from relens.compress.qat.plan import Plan, plan
from relens.graph import Graph, Op, Tensor
from relens.graph.tensor import DATA_POSITION
from relens.lift import Additions, Lifted, lift, lower
from relens.quantize import Candidate, InputOutput, Samples, quantize

Bits = Literal[8, 7, 4]

QAT_SETTINGS = HealSettings(
    epochs=10,
    learning_rate=3e-3,
    temperature=2.0,
    normalize=False,
    average=0.5,
    patience=10,
    augmentation=Augmentation(mixup=0.0),
)
"""Fewer and smaller steps than healing takes, and answers less softened: the float weights are good already.

learning_rate: in levels a step, of weights and of the ends of ranges; a bias in what a level of its weights moves. At a
temperature of 3 the loss is mostly about logits far from any decision, which rounding disturbs most: on the tests'
shape classifier the answers' squared error doubled there, and fell at 2 and 1. The average: what a step of training
moves is as large as what rounding does, and without it flowers' held-out loss jumps between 0.006 and 0.02."""

# The axes of a kernel, in Keras's layouts, that share a scale when each output channel has its own.
_AXES = {"CONV_2D": (0, 1, 2), "DEPTHWISE_CONV_2D": (0, 1), "TRANSPOSE_CONV": (0, 1, 3), "FULLY_CONNECTED": (0,)}


@dataclass(frozen=True)
class QuantizationAware:
    """What training made.

    candidate: the integer file. graph: the float graph with the rounded weights.
    ranges: tensor name -> the learned ends of its grid, which are the integer file's.
    lifted: the trained model, which rounds as the file does.
    before, after: the loss on held-out pictures with the roundings.
    """

    candidate: Candidate
    graph: Graph = field(repr=False)
    ranges: Mapping[str, tuple[float, float]] = field(repr=False)
    lifted: Lifted = field(repr=False)
    before: float
    after: float
    epochs: tuple[Epoch, ...] = field(repr=False)


def quantization_aware(
    teacher: Graph,
    student: Graph,
    pictures: Pictures,
    samples: Samples,
    *,
    io: InputOutput = "float32",
    bits: Bits = 8,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    keep_float: Collection[str] = (),
    settings: HealSettings | None = None,
    checkpoint: Path | None = None,
    progress: Watch | None = None,
) -> QuantizationAware:
    """Train a float graph for an integer file, and make that file.

    Where to round is read off the file that plain quantization makes of the student, so that the training rounds
    where the file does; the ends of the activations' grids are learned with the weights.

    Args:
        teacher: the original float graph.
        student: the float graph to quantize; the teacher itself, or one that was pruned and healed.
        pictures: what to train on; labels are not needed.
        samples: representative inputs for the first ranges, as `quantize` takes them.
        io: type of inputs and outputs. int8 outputs have one scale each, whatever stands in them side by side, and no
            training mends that (YOLOX-nano: boxes beside scores).
        bits: of the weights. 7 for engines that saturate (OpenVINO without VNNI); 4 for smaller files, no faster.
        ranges: tensor name -> the ends of its grid to start from, such as `repair` finds; the others start from what
            `samples` show.
        keep_float: operations that stay float, by the name of their first output.
        settings: how to train; default: `QAT_SETTINGS`, which with 4 bits takes steps of 0.01.
        checkpoint: a file that a killed training goes on from.
        progress: told after each step.

    Raises:
        BadModel: RL-LIFT-001, -002, -003; RL-QUANT-003 when the quantizer cannot treat the graph.
    """
    make: Callable[..., Candidate] = partial(quantize, io=io, weight_bits=bits, keep_float=keep_float)
    reference = make(student, "int8", samples=samples, ranges=ranges).graph
    settings = settings or default_settings(bits)
    steps = partial(plan, integer=reference, bits=bits if bits == 7 else None)
    dress = partial(_dressed, steps)
    made = train(teacher, student, pictures, settings, dress, checkpoint=checkpoint, progress=progress)
    graph = lower(made.lifted, onto=student)
    learned = _ranges(made.lifted, steps(made.lifted.graph))
    candidate = make(graph, "int8", samples=samples[:1], ranges=learned)
    named = replace(candidate, recipe=(f"qat({bits} bits)", *candidate.recipe), parent_sha256=student.sha256)
    return QuantizationAware(named, graph, learned, made.lifted, made.before, made.after, made.epochs)


def default_settings(bits: Bits) -> HealSettings:
    """`QAT_SETTINGS` for weights of so many bits."""
    return replace(QAT_SETTINGS, learning_rate=1e-2) if bits == 4 else QAT_SETTINGS


def _dressed(planned: Callable[[Graph], Plan], graph: Graph, batches: Iterable[Mapping[str, Any]]) -> Lifted:
    steps = planned(graph)
    layers: dict[int, FakeQuantizedTensor] = {}

    def entry(one: Tensor) -> Layer | None:
        """Rounds whatever has a grid: of what enters the model nothing is rounded yet.

        A kept operation that only moves numbers gives what it reads, and that may be the picture as it is.
        """
        found = steps.ranges.get(one.index)
        if found is None:
            return None
        if found.group not in layers:
            name = _layer_name(found.group)
            layers[found.group] = FakeQuantizedTensor(found.low, found.high, learned=found.learned, name=name)
        return layers[found.group]

    def tensor(one: Tensor) -> Layer | None:
        found = steps.ranges.get(one.index)
        return entry(one) if found is not None and found.rounds else None

    return lift(graph, Additions(kernel=partial(_kernel, graph, steps), tensor=tensor, entry=entry))


def _kernel(graph: Graph, steps: Plan, op: Op) -> LevelKernel:
    """Where the file rounds, rounded; all are trained in levels, so that one learning rate suits them."""
    bits, channelwise = steps.kernels.get(op.index, (8, True))
    kernel = _as_keras(graph, op)
    axes = _AXES[op.name] if channelwise else tuple(range(kernel.ndim))
    read = steps.ranges.get(op.inputs[DATA_POSITION[op.name]])
    reach = (read.high - read.low) / 2 if read is not None else 1.0
    return (FakeQuantizedKernel if op.index in steps.kernels else LevelKernel)(kernel, axes, bits, reach)


def _as_keras(graph: Graph, op: Op) -> Any:
    """The kernel in Keras's layout."""
    stored = graph.constant(graph.tensors[op.inputs[1]])
    if op.name == "DEPTHWISE_CONV_2D":
        channels = graph.tensors[op.inputs[0]].shape[-1]
        return stored.reshape(*stored.shape[1:3], channels, -1)
    order = {"CONV_2D": (1, 2, 3, 0), "TRANSPOSE_CONV": (1, 2, 0, 3), "FULLY_CONNECTED": (1, 0)}[op.name]
    return np.transpose(stored, order)


def _ranges(lifted: Lifted, steps: Plan) -> dict[str, tuple[float, float]]:
    """Tensor name -> the ends of its grid, as they are now."""
    layers = {layer.name: layer for layer in lifted.model.layers}
    groups = {one.group: (one.low, one.high) for one in steps.ranges.values()}  # of what only kept operations read
    groups |= {group: layers[_layer_name(group)].ends() for group in groups if _layer_name(group) in layers}
    return {lifted.graph.tensors[index].tensor_name: groups[one.group] for index, one in steps.ranges.items()}


def _layer_name(group: int) -> str:
    return f"range_{group}"
