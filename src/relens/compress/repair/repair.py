"""All cheap steps in their order: float graph -> int8 candidate, without training and without labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from relens.compress.repair.bias import correct_biases
from relens.compress.repair.equalize import equalize
from relens.compress.repair.mixed import tail
from relens.compress.repair.ranges import search_ranges
from relens.graph import Graph
from relens.quantize import Candidate, InputOutput, Samples, quantize

FEW = 16  # samples that a channel's size and mean need; ranges look at all


@dataclass(frozen=True)
class Repaired:
    """An int8 candidate and what it was made from, so that a search can go on from here.

    Attributes:
        candidate: its recipe lists every step.
        graph: the float graph that was quantized: equalized, with corrected biases.
        ranges: of its activations.
        keep_float: its operations that stayed float.
    """

    candidate: Candidate
    graph: Graph = field(repr=False)
    ranges: Mapping[str, tuple[float, float]] = field(repr=False)
    keep_float: tuple[str, ...] = field(repr=False)


def repair(
    graph: Graph,
    samples: Samples,
    *,
    io: InputOutput = "float32",
    weight_bits: int = 8,
    calibration_sha256: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> Repaired:
    """Equalize, search ranges, keep the tail float, correct biases, quantize.

    Args:
        graph: float.
        samples: representative inputs, unlabelled.
        io: type of inputs and outputs. int8 outputs have one scale each, whatever stands in them side by side.
        weight_bits: as `quantize`.
        calibration_sha256: hash of the pictures, for the lineage.
        progress: told the fraction done, 0..1.

    Raises:
        BadConfig: RL-QUANT-002, no samples; others as `quantize`.
    """
    few = samples[:: max(1, len(samples) // FEW)]
    equal = equalize(graph, few)
    ranges = search_ranges(equal.graph, samples, _part(progress, 0.1, 0.3))
    kept = tail(equal.graph) if io == "float32" else ()

    def made(source: Graph) -> Candidate:
        return quantize(
            source, "int8", samples=samples[:1], io=io, ranges=ranges, keep_float=kept, weight_bits=weight_bits
        )

    corrected = correct_biases(equal.graph, made(equal.graph).graph, few, _part(progress, 0.3, 1.0))
    candidate = made(corrected.graph)
    steps = (
        f"equalize({len(equal.noise)} tensors, {len(equal.gates)} gates)",
        f"search_ranges({len(ranges)} tensors, {len(samples)} pictures)",
        f"correct_biases({len(corrected.shifts)} layers)",
        *candidate.recipe,
    )
    candidate = replace(candidate, recipe=steps, parent_sha256=graph.sha256, calibration_sha256=calibration_sha256)
    return Repaired(candidate, corrected.graph, ranges, kept)


def _part(progress: Callable[[float], None] | None, start: float, end: float) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda fraction: progress(start + fraction * (end - start))
