"""Fake quantization: numbers rounded as the integer file will round them, with gradients straight through."""

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from relens.lift.layers import KernelLayer

LEVELS = 255  # of an 8-bit activation
END_STEP = 1 / 32  # the share of an end that it moves by where a weight moves by a level
LEAST = np.float32(1e-8)  # what the largest weight of a channel of zeros counts as


class FakeQuantizedTensor(keras.layers.Layer):
    """An activation on 256 levels between a low and a high end, zero among them.

    The ends are trained by the gradient of the rounding error inside and of the clipping outside (LSQ+, Bhalgat et
    al. 2020), as factors of where they start, and in steps that suit the weights' learning rate.

    Args:
        low, high: the ends at the start; low <= 0 <= high.
        learned: whether they move. The ends of softmax, sigmoid and tanh are fixed by the runtime.
    """

    def __init__(self, low: float, high: float, *, learned: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.low, self.high = min(low, 0.0), max(high, 0.0, low + 1e-6)
        self.factors = self.add_weight(shape=(2,), initializer="zeros", trainable=learned, name="factors")
        self.built = True

    def call(self, x: Any) -> Any:
        """Any shape -> the same."""
        return on_grid(x, *self._ends())

    def ends(self) -> tuple[float, float]:
        """Where they are now."""
        low, high = self._ends()
        return float(low), float(high)

    def _ends(self) -> tuple[Any, Any]:
        factors = ops.exp(self.factors * END_STEP)
        return self.low * factors[0], self.high * factors[1]


class LevelKernel(KernelLayer):
    """A kernel that is trained in levels of a symmetric grid, with one scale a channel, and not rounded to it.

    Args:
        kernel: (...,) float32, to start from.
        axes: those that share one scale.
        bits: 8, 7 or 4.
        reach: of what it is multiplied with, which says how far a level moves the answer: the bias is trained in that.
    """

    def __init__(
        self, kernel: NDArray[np.float32], axes: tuple[int, ...], bits: int, reach: float = 1.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.axes, self.bits, self.top = axes, bits, 2 ** (bits - 1) - 1
        self.unit = np.maximum(np.abs(kernel).max(axes, keepdims=True), LEAST) / self.top
        self.bias_unit = self.unit.ravel() * np.float32(reach)
        self.built = True

    def call(self, kernel: Any) -> Any:
        """The kernel as it is."""
        return kernel


class FakeQuantizedKernel(LevelKernel):
    """A kernel on `2 n + 1` symmetric levels, with one scale a channel.

    8 and 7 bits: the largest weight of a channel decides, n = 127 or 63. 4 bits: the scale starts there, as in the file
    that training starts from, and is trained (LSQ, Esser et al. 2020), but never so large that no weight reaches the
    last level: so the quantizer finds the very same grid again in the rounded weights.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.factors: Any | None = None
        if self.bits < 7:
            self.factors = self.add_weight(shape=self.unit.shape, initializer="zeros", name="factors")

    def call(self, kernel: Any) -> Any:
        """The rounded kernel."""
        largest = ops.stop_gradient(ops.max(ops.abs(kernel), axis=self.axes, keepdims=True))
        scale = ops.maximum(largest, LEAST) / self.top
        if self.factors is not None:
            scale = ops.minimum(self.unit * ops.exp(self.factors / self.top), scale)
        return straight_through(ops.clip(kernel / scale, -self.top, self.top)) * scale


@ops.custom_gradient
def on_grid(x: Any, low: Any, high: Any) -> Any:
    """`x` on 256 levels between two ends, zero among them; the zero point counts as constant.

    With y the result and s the scale, dy/ds is (y - x) / s inside and y / s outside: two dot products, and one fused
    operation forward on TensorFlow. Left to automatic differentiation it takes a dozen passes over every activation.
    """
    y = keras.quantizers.fake_quant_with_min_max_vars(x, low, high, num_bits=8)
    made = ops.stop_gradient(y)  # PyTorch never frees a result that its own gradient holds

    def gradient(*given: Any, upstream: Any = None) -> tuple[Any, Any, Any]:
        above = given[0] if upstream is None else upstream
        scale = (high - low) / LEVELS
        zero = ops.round(-low / scale)
        inside = ops.logical_and(x >= -zero * scale, x <= (LEVELS - zero) * scale)
        passed = ops.where(inside, above, 0.0)
        of_scale = (_dot(above, made) - _dot(passed, x)) / scale
        return passed, -of_scale / LEVELS, of_scale / LEVELS

    return y, gradient


def _dot(a: Any, b: Any) -> Any:
    return ops.vdot(ops.ravel(a), ops.ravel(b))


def straight_through(x: Any) -> Any:
    """`x` rounded half to even; the gradient passes as if it were not."""
    return x + ops.stop_gradient(ops.round(x) - x)
