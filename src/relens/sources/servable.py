"""A source model, loaded: something to call, with names. The three loaders make it, the exporter takes it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from relens.errors import BadModel
from relens.sources.ports import Port
from relens.sources.request import Arrays

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class Servable:
    """A model as TensorFlow runs it.

    Attributes:
        call: the source model itself: TensorFlow tensors in and out, by name.
        inputs: what it takes, every size fixed.
        outputs: the names of what it gives.
    """

    call: Callable[[Tensors], Tensors]
    inputs: tuple[Port, ...]
    outputs: tuple[str, ...]

    def run(self, arrays: Arrays) -> Arrays:
        """Run the source model on arrays."""
        import tensorflow as tf

        results = self.call({port.name: tf.constant(arrays[port.name]) for port in self.inputs})
        return {name: results[name].numpy() for name in self.outputs}

    def with_outputs(self, wanted: Sequence[str] | None) -> "Servable":
        """The same model with only the outputs asked for.

        Raises:
            BadModel: RL-SOURCE-010, it has no such output.
        """
        if wanted is None:
            return self
        missing = [name for name in wanted if name not in self.outputs]
        if missing:
            raise BadModel(
                "RL-SOURCE-010",
                f"there is no output {', '.join(missing)}: the model has {', '.join(self.outputs)}",
                hint="choose outputs among these",
            )
        return replace(self, outputs=tuple(wanted))
