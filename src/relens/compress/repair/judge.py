"""How far a candidate's answers are from the float graph's, as one number that no scale of an output can hide."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relens.compress.repair.inner import Float64, Inner
from relens.graph import Graph
from relens.quantize import Samples

SMALLEST = 1e-12


class Judge:
    """The float graph's answers to some samples, and what candidates answer instead.

    A detector's boxes and scores stand side by side in one tensor, hundreds beside hundredths: each channel (last axis)
    of each output is therefore measured against its own deviation over places and samples.

    Args:
        graph: the float graph.
        samples: unlabelled inputs.
    """

    def __init__(self, graph: Graph, samples: Samples) -> None:
        self.samples = samples
        self._names = [tensor.name for tensor in graph.outputs]
        self._expected = _answers(graph, samples, self._names)
        self._variance = [np.maximum(_channels(each).var(axis=0), SMALLEST) for each in self._expected]

    def by_channel(self, candidate: Graph) -> dict[str, Float64]:
        """Of each output (C,) the root of the mean squared error over the channel's variance; 1 is as bad as a mean."""
        found = _answers(candidate, self.samples, self._names)
        each = zip(self._names, self._expected, found, self._variance, strict=True)
        return {
            name: np.sqrt(np.mean((_channels(theirs) - _channels(ours)) ** 2, axis=0) / variance)
            for name, ours, theirs, variance in each
        }

    def error(self, candidate: Graph) -> float:
        """One number: the mean over channels, of the worst output; no channel counts for more than 1."""
        return max(float(np.minimum(channels, 1).mean()) for channels in self.by_channel(candidate).values())


def _answers(graph: Graph, samples: Samples, names: Sequence[str]) -> list[NDArray[np.float32]]:
    place = {tensor.name: tensor.index for tensor in graph.outputs}
    inner = Inner(graph, [place[name] for name in names])
    return [np.stack(each) for each in zip(*(inner(sample) for sample in samples), strict=True)]


def _channels(values: NDArray[np.float32]) -> Float64:
    """(samples, 1, ..., C) as (everything else, C); a plain vector of scores is one channel a score."""
    return values.reshape(-1, values.shape[-1]).astype(np.float64)
