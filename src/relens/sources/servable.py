"""A source model, loaded: something to call, with names. The loaders make it, the exporter takes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from relens.sources.ports import Port
from relens.sources.request import Arrays

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Servable:
    """A model as TensorFlow runs it.

    Attributes:
        answer: runs the source itself, untouched: arrays in and out, by name.
        call: the same with TensorFlow tensors, to be traced.
        inputs: what it takes, every size fixed.
        outputs: the names of what it gives.
    """

    answer: Callable[[Arrays], Arrays]
    call: Callable[[Tensors], Tensors]
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]

    def run(self, probe: Arrays) -> Arrays:
        """What the source answers in the outputs that are kept."""
        answers = self.answer(probe)
        return {name: answers[name] for name in self.outputs}
