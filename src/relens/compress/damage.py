"""How far a cut graph's answers are from the original's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from relens.compress.activations import Array, answers
from relens.graph import Graph


@dataclass(frozen=True)
class Reference:
    """The original's answers on some pictures.

    Attributes:
        pictures: input tensors.
        outputs: each output over the pictures, (pictures, ...) float32.
        classes: for each output, whether it holds probabilities over its last axis.
    """

    pictures: Sequence[Array]
    outputs: tuple[Array, ...]
    classes: tuple[bool, ...]

    @classmethod
    def of(cls, graph: Graph, pictures: Sequence[Array]) -> "Reference":
        """Ask the original."""
        outputs = tuple(answers(graph, pictures))
        makers = (graph.producers.get(tensor.index) for tensor in graph.outputs)
        return cls(pictures, outputs, tuple(op is not None and op.name == "SOFTMAX" for op in makers))

    def damage(self, graph: Graph) -> float:
        """How far another graph's answers are from these, averaged over the outputs.

        Class scores: KL(original || other), in nats, averaged over the pictures. Others: squared error relative
        to the variance, over pictures and places, of each column of the last axis.
        """
        found = answers(graph, self.pictures)
        parts = [
            divergence(mine, its) if classes else relative_error(mine, its)
            for mine, its, classes in zip(self.outputs, found, self.classes, strict=True)
        ]
        return float(np.mean(parts))


def divergence(original: Array, other: Array) -> float:
    """Mean KL(original || other) of probabilities along the last axis, in nats."""
    p, q = (np.clip(values.astype(np.float64), 1e-9, 1.0) for values in (original, other))
    return float((p * (np.log(p) - np.log(q))).sum(-1).mean())


def relative_error(original: Array, other: Array) -> float:
    """Mean squared error of each column of the last axis over that column's variance, averaged over the columns."""
    p, q = (values.astype(np.float64).reshape(-1, values.shape[-1]) for values in (original, other))
    variance = p.var(axis=0)
    return float((np.square(p - q).mean(axis=0) / np.maximum(variance, 1e-3 * variance.mean() + 1e-12)).mean())
