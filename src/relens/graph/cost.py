"""What a graph costs before anything runs: parameters, multiply-accumulates, memory."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from relens.graph.graph import Graph
from relens.graph.memory import activation_peak_bytes, indirection_bytes
from relens.graph.tensor import Op, Tensor

RUNTIME_BYTES = 4 * 2**20  # what LiteRT itself grows by


@dataclass(frozen=True)
class OpCost:
    """One operation's share.

    Attributes:
        index: the operation's place in the order of execution.
        name: such as "CONV_2D".
        output: the flatbuffer's name of its first output tensor.
        macs: multiply-accumulates.
        parameters: trained numbers it is the first to read.
    """

    index: int
    name: str
    output: str
    macs: int
    parameters: int


@dataclass(frozen=True)
class Cost:
    """What a graph costs.

    Attributes:
        parameters: trained numbers: constants of rank 1 or more in floating point or quantized.
        weight_bytes: all constants, as stored.
        packed_weight_bytes: the same once an engine has packed them for its kernels (float16 as float32).
        macs: multiply-accumulates of one run.
        activation_peak_bytes: the most that is alive at once besides constants.
        indirection_bytes: the pointer tables of XNNPACK's convolutions.
        ops: each operation's share.
        counts: how often each operation occurs, the most frequent first.
    """

    parameters: int
    weight_bytes: int
    packed_weight_bytes: int = field(repr=False)
    macs: int
    activation_peak_bytes: int
    indirection_bytes: int
    ops: tuple[OpCost, ...] = field(repr=False)
    counts: dict[str, int]

    @property
    def predicted_memory_bytes(self) -> int:
        """LiteRT's peak resident memory over the bare process, model loaded from a path, one thread.

        The file's pages, the packed copy of the weights, live activations, pointer tables and the runtime.
        Measured on MobileNet v1 and v2, ResNet50 and YOLOX-nano, float32, float16 and int8: from 1.3 MB
        too low to 2.8 MB too high.
        """
        loaded = self.weight_bytes + self.packed_weight_bytes + RUNTIME_BYTES
        return loaded + self.activation_peak_bytes + self.indirection_bytes


def cost(graph: Graph) -> Cost:
    """Count a graph's main subgraph; bodies of WHILE and IF are not visited."""
    constants = {tensor.buffer: tensor for tensor in graph.tensors if tensor.constant}.values()
    ops = tuple(_op_costs(graph))
    return Cost(
        parameters=sum(op.parameters for op in ops),
        weight_bytes=sum(tensor.size_bytes for tensor in constants),
        packed_weight_bytes=sum(tensor.size_bytes * (1 + (tensor.dtype == "float16")) for tensor in constants),
        macs=sum(op.macs for op in ops),
        activation_peak_bytes=activation_peak_bytes(graph),
        indirection_bytes=indirection_bytes(graph),
        ops=ops,
        counts=dict(Counter(op.name for op in graph.ops).most_common()),
    )


def macs(graph: Graph, op: Op) -> int:
    """Multiply-accumulates of one operation, by its tensors' shapes.

    Counted for the convolutions, FULLY_CONNECTED and BATCH_MATMUL; every other operation is 0, as is
    common. Padding counts as if it were data, and so does what a transposed convolution crops.
    """
    shapes = [graph.tensors[index].shape if index >= 0 else () for index in (*op.inputs, -1, -1, -1)]
    times = math.prod(graph.tensors[op.outputs[0]].shape) if op.outputs else 0
    match op.name:
        case "CONV_2D":  # weights (out, h, w, in / groups)
            each = shapes[1][1:]
        case "DEPTHWISE_CONV_2D":  # weights (1, h, w, out)
            each = shapes[1][1:3]
        case "CONV_3D":  # weights (d, h, w, in / groups, out)
            each = shapes[1][:-1]
        case "TRANSPOSE_CONV":  # operands: output shape, weights (out, h, w, in), data
            times, each = math.prod(shapes[2]), shapes[1][:-1]
        case "FULLY_CONNECTED":  # weights (out, in)
            each = shapes[1][-1:]
        case "BATCH_MATMUL":
            each = shapes[0][-2:-1] if getattr(op.options, "adjX", False) else shapes[0][-1:]
        case _:
            return 0
    return times * math.prod(each)


def _op_costs(graph: Graph) -> Iterator[OpCost]:
    counted: set[int] = set()
    for op in graph.ops:
        read = (graph.tensors[index] for index in op.inputs if index >= 0)
        fresh = {tensor.buffer: tensor for tensor in read if _trained(tensor) and tensor.buffer not in counted}
        counted |= fresh.keys()
        yield OpCost(
            index=op.index,
            name=op.name,
            output=graph.tensors[op.outputs[0]].tensor_name if op.outputs else "",
            macs=macs(graph, op),
            parameters=sum(tensor.elements for tensor in fresh.values()),
        )


def _trained(tensor: Tensor) -> bool:
    """Whether a constant holds trained numbers, not a shape, an axis or a lone factor."""
    # Blockwise 4-bit weights keep their scales in another tensor and look unquantized.
    number = tensor.quantized or tensor.dtype.startswith(("float", "bfloat", "int4", "int2"))
    return tensor.constant and number and len(tensor.shape) > 0
