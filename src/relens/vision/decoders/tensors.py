"""No decoding: outputs by name, for models whose meaning only the user knows."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from relens.graph import Tensor
from relens.spec import Strict, Task
from relens.vision.placement import Placement
from relens.vision.prediction import Tensors


class RawTensors:
    """Gives the outputs as they are."""

    Config: ClassVar[type[Strict]] = Strict
    task: ClassVar[Task] = "tensors"

    def __init__(self, config: Strict, outputs: Sequence[Tensor], input_size: tuple[int, int]) -> None:
        del config, outputs, input_size

    def decode(self, outputs: Mapping[str, NDArray[np.float32]], placement: Placement) -> Tensors:
        """All outputs, float32, by name."""
        return Tensors(dict(outputs))
