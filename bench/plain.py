"""A student trained as anyone would in Keras, to hold relens' own training against."""

from collections.abc import Callable
from typing import Any

import keras


class Plain(keras.Model):
    """One output of a lifted graph, by a loss of its own.

    Keras' own `compile(loss={name: ...})` refuses the names that converters give to outputs, such as `a/b;c/d`.

    Args:
        model: of the lifted graph; its outputs are a dict.
        name: the output that counts.
        loss: of truth and answer, both (N, classes).
    """

    def __init__(self, model: keras.Model, name: str, loss: Callable[[Any, Any], Any]) -> None:
        super().__init__(name="plain")
        self.model, self.chosen, self.loss_of = model, name, loss
        self.built = True

    def call(self, x: Any, training: bool = False) -> Any:
        """(N, classes)."""
        return self.model(x, training=training)[self.chosen]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Keras calls it in each step."""
        return self.loss_of(y, y_pred)
