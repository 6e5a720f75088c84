"""The layers that hold trained weights. Kernels stand in Keras's layouts and go back in the graph's.

Shapes: N batch, H, W picture, h, w kernel, C channels in, D channels out, m depth multiplier.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Array = NDArray[np.float32]


def numbers(weight: Any) -> Array:
    """A weight's values, by way of a tensor: numpy warns of TensorFlow's variables."""
    return np.asarray(ops.convert_to_numpy(ops.stop_gradient(weight)))


class KernelLayer(keras.layers.Layer):
    """What a kernel passes through before use, such as fake quantization.

    unit, bias_unit: what kernel and bias are counted in while they are trained; they broadcast against the two. An
        optimizer like Adam moves all numbers by steps of about one size, and folded kernels and equalized ones differ
        by a factor of 10,000 from channel to channel.
    """

    unit: Any = 1.0
    bias_unit: Any = 1.0


class Weighted(keras.layers.Layer):
    """A kernel, a bias, and a linear operation of them.

    Args:
        kernel: in Keras's layout, float32.
        bias: (D,), or None.
        kernel_layer: what the kernel passes through before use; it says in what units the two are trained.
    """

    kernel_position = 1
    bias_position = 2

    def __init__(
        self, kernel: Array, bias: Array | None, kernel_layer: KernelLayer | None = None, **options: Any
    ) -> None:
        super().__init__(**options)
        self.kernel_layer = kernel_layer
        if kernel_layer is not None:
            kernel, bias = kernel / kernel_layer.unit, None if bias is None else bias / kernel_layer.bias_unit
        self.kernel = self._weight("kernel", kernel)
        self.bias = None if bias is None else self._weight("bias", bias)
        self.built = True

    def _weight(self, name: str, value: Array) -> Any:
        return self.add_weight(
            shape=value.shape, name=name, initializer=lambda shape, dtype=None: ops.convert_to_tensor(value, "float32")
        )

    def call(self, x: Any) -> Any:
        """(N, ...) float32 -> (N, ..., D) float32."""
        kernel, bias = self.used()
        y = self.linear(x, kernel)
        return y if bias is None else y + bias

    def used(self) -> tuple[Any, Any]:
        """Kernel and bias, or None, as the operation takes them."""
        layer = self.kernel_layer
        if layer is None:
            return self.kernel, self.bias
        return layer(self.kernel * layer.unit), None if self.bias is None else self.bias * layer.bias_unit

    def linear(self, x: Any, kernel: Any) -> Any:
        """The operation without its bias."""
        raise NotImplementedError(type(self).__name__)  # a Keras layer cannot be a Protocol

    def stored(self, kernel: Array) -> Array:
        """The kernel in the graph's layout."""
        raise NotImplementedError(type(self).__name__)

    def operands(self, scale: Array | None = None, shift: Array | None = None) -> dict[int, Array]:
        """Operand position -> constant in the graph's layout, for outputs `y * scale + shift`, both (D,)."""
        kernel, bias = self.used()
        kernel, bias = self.stored(numbers(kernel)), None if bias is None else numbers(bias)
        if scale is not None and shift is not None:
            kernel = kernel * scale.reshape([-1 if axis == self.channel_axis else 1 for axis in range(kernel.ndim)])
            bias = (0.0 if bias is None else bias) * scale + shift
        made = {self.kernel_position: np.ascontiguousarray(kernel, np.float32)}
        if bias is not None:
            made[self.bias_position] = np.asarray(bias, np.float32)
        return made

    channel_axis = 0
    """The axis of the graph's kernel that counts output channels."""


class Convolution(Weighted):
    """CONV_2D, grouped where the kernel takes fewer channels than there are. Kernel (h, w, C / groups, D)."""

    def __init__(
        self, kernel: Array, bias: Array | None, strides: Any, padding: str, dilation: Any, **rest: Any
    ) -> None:
        super().__init__(kernel, bias, **rest)
        self.strides, self.padding, self.dilation = strides, padding, dilation

    def linear(self, x: Any, kernel: Any) -> Any:
        """(N, H, W, C) -> (N, H', W', D)."""
        groups = x.shape[-1] // kernel.shape[2]
        if groups == 1 or keras.backend.backend() != "tensorflow":
            return self._convolved(x, kernel)
        # TensorFlow has no gradient for grouped convolutions on a CPU.
        parts = zip(ops.split(x, groups, axis=-1), ops.split(kernel, groups, axis=-1), strict=True)
        return ops.concatenate([self._convolved(*part) for part in parts], axis=-1)

    def _convolved(self, x: Any, kernel: Any) -> Any:
        return ops.conv(x, kernel, self.strides, self.padding, "channels_last", self.dilation)

    def stored(self, kernel: Array) -> Array:
        """(h, w, C, D) -> (D, h, w, C)."""
        return kernel.transpose(3, 0, 1, 2)


class DepthwiseConvolution(Weighted):
    """DEPTHWISE_CONV_2D. Kernel (h, w, C, m); output channel `c * m + k` sees input channel c."""

    channel_axis = 3

    def __init__(
        self, kernel: Array, bias: Array | None, strides: Any, padding: str, dilation: Any, **rest: Any
    ) -> None:
        super().__init__(kernel, bias, **rest)
        self.strides, self.padding, self.dilation = strides, padding, dilation

    def linear(self, x: Any, kernel: Any) -> Any:
        """(N, H, W, C) -> (N, H', W', C * m)."""
        return ops.depthwise_conv(x, kernel, self.strides, self.padding, "channels_last", self.dilation)

    def stored(self, kernel: Array) -> Array:
        """(h, w, C, m) -> (1, h, w, C * m)."""
        return kernel.reshape(1, *kernel.shape[:2], -1)


class Dense(Weighted):
    """FULLY_CONNECTED. Kernel (C, D)."""

    def linear(self, x: Any, kernel: Any) -> Any:
        """(..., C) -> (..., D)."""
        return ops.matmul(x, kernel)

    def stored(self, kernel: Array) -> Array:
        """(C, D) -> (D, C)."""
        return kernel.T


class TransposedConvolution(Weighted):
    """TRANSPOSE_CONV: operands are output shape, kernel, data, bias. Kernel (h, w, D, C)."""

    bias_position = 3

    def __init__(self, kernel: Array, bias: Array | None, strides: Any, padding: str, **rest: Any) -> None:
        super().__init__(kernel, bias, **rest)
        self.strides, self.padding = strides, padding

    def linear(self, x: Any, kernel: Any) -> Any:
        """(N, H, W, C) -> (N, H', W', D)."""
        return ops.conv_transpose(x, kernel, self.strides, self.padding, data_format="channels_last")

    def stored(self, kernel: Array) -> Array:
        """(h, w, D, C) -> (D, h, w, C)."""
        return kernel.transpose(2, 0, 1, 3)


class ParametricRelu(keras.layers.Layer):
    """PRELU with a trained slope, which broadcasts against the data."""

    def __init__(self, slope: Array, **options: Any) -> None:
        super().__init__(**options)
        self.slope = self.add_weight(
            shape=slope.shape, name="slope", initializer=lambda shape, dtype=None: ops.convert_to_tensor(slope)
        )
        self.built = True

    def call(self, x: Any) -> Any:
        """(N, ..., C) -> the same."""
        return ops.relu(x) - self.slope * ops.relu(-x)

    def operands(self) -> dict[int, Array]:
        """The slope, as the operation's second operand."""
        return {1: np.asarray(numbers(self.slope), np.float32)}


class Statistics(keras.layers.Layer):
    """Mean and variance of each channel over all that passes while training; what passes is unchanged."""

    def __init__(self, channels: int, **options: Any) -> None:
        super().__init__(**options)
        self.mean = self._kept("mean", channels, "zeros")
        self.variance = self._kept("variance", channels, "ones")
        self.share = self.add_weight(shape=(), name="share", initializer="ones", trainable=False)
        self.built = True

    def _kept(self, name: str, channels: int, initializer: str) -> Any:
        return self.add_weight(shape=(channels,), name=name, initializer=initializer, trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        """(N, ..., C) -> the same."""
        if training:
            self.take(*ops.moments(x, axes=list(range(len(x.shape) - 1))))
        return x

    def take(self, mean: Any, variance: Any) -> None:
        """Move towards a batch's mean and variance, both (C,), by `share` of the way."""
        self.mean.assign(self.mean + self.share * (mean - self.mean))
        self.variance.assign(self.variance + self.share * (variance - self.variance))


class Normalization(Statistics):
    """Batch normalization (Ioffe & Szegedy 2015) that starts as the identity for given channel statistics.

    `share` is one minus what Keras calls momentum, and can be set between steps.
    """

    epsilon = 1e-5

    def __init__(self, mean: Array, variance: Array, **options: Any) -> None:
        super().__init__(len(mean), **options)
        self.gamma = self.add_weight(shape=(len(mean),), name="gamma", initializer="ones")
        self.beta = self.add_weight(shape=(len(mean),), name="beta", initializer="zeros")
        self.mean.assign(mean)
        self.variance.assign(variance)
        self.gamma.assign(np.sqrt(variance + self.epsilon))
        self.beta.assign(mean)

    def call(self, x: Any, training: bool = False) -> Any:
        """(N, ..., C) -> the same shape: the batch's own statistics while training, the kept ones otherwise."""
        if training:
            mean, variance = ops.moments(ops.stop_gradient(x), axes=list(range(len(x.shape) - 1)))
            self.take(mean, variance)
            # Sums, because TensorFlow wants tensors here and no variables.
            return by_batch(x, self.gamma + 0.0, self.beta + 0.0, mean, ops.rsqrt(variance + self.epsilon))
        scale = self.gamma * ops.rsqrt(self.variance + self.epsilon)
        return x * scale + (self.beta - self.mean * scale)

    def affine(self) -> tuple[Array, Array]:
        """Scale and shift (C,) that it amounts to with the kept statistics."""
        gamma, beta, mean, variance = (
            np.asarray(numbers(kept), np.float64) for kept in (self.gamma, self.beta, self.mean, self.variance)
        )
        scale = gamma / np.sqrt(variance + self.epsilon)
        return scale.astype(np.float32), (beta - mean * scale).astype(np.float32)


@ops.custom_gradient
def by_batch(x: Any, gamma: Any, beta: Any, mean: Any, over_deviation: Any) -> Any:
    """`x` (N, ..., C) normalized by its own mean and 1 / deviation (C,), which count as functions of `x`.

    The gradient in closed form (Ioffe & Szegedy 2015, section 3): three passes over `x` and what comes from above.
    Automatic differentiation takes so many that normalization cost more time than the convolutions.
    """
    scale = gamma * over_deviation

    def gradient(*given: Any, upstream: Any = None) -> tuple[Any, ...]:
        above = given[0] if upstream is None else upstream
        axes = list(range(len(x.shape) - 1))
        count = ops.cast(ops.prod(ops.shape(x)[:-1]), x.dtype)
        of_beta = ops.sum(above, axis=axes)
        of_gamma = (ops.sum(above * x, axis=axes) - mean * of_beta) * over_deviation
        slope = -scale * over_deviation * of_gamma / count
        of_x = above * scale + x * slope + (-scale * of_beta / count - slope * mean)
        return of_x, of_gamma, of_beta, ops.zeros_like(mean), ops.zeros_like(mean)

    return x * scale + (beta - mean * scale), gradient


def statistics_of(model: keras.Model) -> Iterator[Statistics]:
    """The layers of a model that keep channel statistics."""
    return (layer for layer in model._flatten_layers() if isinstance(layer, Statistics))
