"""What may be said about single tensors and operations when a graph becomes int8."""

import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from relens.errors import BadConfig
from relens.graph import Graph, Op
from relens.spec import Scheme

DEFAULT_BITS = 8
BITS_OF_OPERATION: dict[str, tuple[int, ...]] = {
    "CONV_2D": (4, 7, 8),
    "FULLY_CONNECTED": (4, 7, 8),
    "DEPTHWISE_CONV_2D": (7, 8),
    "TRANSPOSE_CONV": (7, 8),
}
"""The weight bits there are, by operation; the quantizer and the kernels know int4 for two of them."""


@dataclass(frozen=True)
class Choices:
    """What a recipe decided for one graph beyond its scheme.

    Attributes:
        ranges: lowest and highest real value of activations, by `tensor_name`.
        keep_float: operations that stay float32, by the `tensor_name` of their first output.
        weight_bits: bits of weights: one number for all that can have it, or by operation, named likewise.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    keep_float: Collection[str] = ()
    weight_bits: Mapping[str, int] | int = DEFAULT_BITS

    def check(self, graph: Graph, scheme: Scheme) -> None:
        """Refuse what the graph does not have, and what cannot be.

        Raises:
            BadConfig: RL-QUANT-004 for a name the graph does not have, RL-QUANT-005 for values that make no sense.
        """
        if scheme != "int8" and (self.ranges or self.keep_float or self.weight_bits != DEFAULT_BITS):
            raise _senseless(f"scheme `{scheme}` takes neither ranges nor operations kept in float nor weight bits")
        activations = {tensor.tensor_name for tensor in graph.tensors if not tensor.constant}
        operations = {_name(graph, op): op for op in graph.ops}
        _known(self.ranges, activations, "activation", "ranges")
        _known(self.keep_float, operations, "operation", "keep_float")
        for name, (low, high) in self.ranges.items():
            if not (math.isfinite(low) and math.isfinite(high) and low <= high and (low or high)):
                raise _senseless(f"ranges: `{name}` cannot lie between {low} and {high}")
        if isinstance(self.weight_bits, int):
            if self.weight_bits not in BITS_OF_OPERATION["CONV_2D"]:
                raise _senseless(f"weight_bits: {self.weight_bits} is none of 4, 7, 8")
            return
        _known(self.weight_bits, operations, "operation", "weight_bits")
        for name, bits in self.weight_bits.items():
            possible = BITS_OF_OPERATION.get(operations[name].name, ())
            if bits not in possible:
                which = ", ".join(map(str, possible)) or "no weights at all"
                raise _senseless(f"weight_bits: {operations[name].name} `{name}` has {which}, not {bits}")

    def bits(self, graph: Graph, op: Op) -> int:
        """The bits of one operation's weights; 8 where a number for all does not fit it."""
        if not isinstance(self.weight_bits, int):
            return self.weight_bits.get(_name(graph, op), DEFAULT_BITS)
        return self.weight_bits if self.weight_bits in BITS_OF_OPERATION.get(op.name, ()) else DEFAULT_BITS

    @property
    def steps(self) -> tuple[str, ...]:
        """What was chosen, for the recipe's line; nothing for the defaults."""
        said = []
        if self.ranges:
            said.append(f"ranges={len(self.ranges)} given")
        if self.keep_float:
            said.append(f"keep_float={len(set(self.keep_float))} ops")
        if isinstance(self.weight_bits, int):
            said += [f"weight_bits={self.weight_bits}"] if self.weight_bits != DEFAULT_BITS else []
        else:
            counts = Counter(bits for bits in self.weight_bits.values() if bits != DEFAULT_BITS)
            said += [f"weight_bits={bits} in {counts[bits]} ops" for bits in sorted(counts)]
        return tuple(said)


def _name(graph: Graph, op: Op) -> str:
    return graph.tensors[op.outputs[0]].tensor_name if op.outputs else ""


def _known(names: Collection[str], present: Collection[str], what: str, key: str) -> None:
    for name in names:
        if name not in present:
            near = get_close_matches(name, present, n=1, cutoff=0.3)
            raise BadConfig(
                "RL-QUANT-004",
                f"{key}: the graph has no {what} `{name}`",
                hint=f"did you mean `{near[0]}`?" if near else "relens inspect MODEL lists the names",
            )


def _senseless(why: str) -> BadConfig:
    return BadConfig("RL-QUANT-005", why, hint="ranges, keep_float and weight_bits of 4, 7 or 8 go with `int8`")
