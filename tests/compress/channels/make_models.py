"""Write small networks with everything that ties channels, as Keras files: `python make_models.py FOLDER`."""

import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import keras
from keras import layers

BIAS = {"bias_initializer": "random_uniform"}


def conv(x, filters, size=3, **options):
    return layers.ReLU(6.0)(layers.Conv2D(filters, size, padding="same", **BIAS, **options)(x))


def residual(picture):
    """Residual sums, a depthwise convolution, squeeze-excite, a slope a channel."""
    x = start = conv(picture, 16, strides=2)
    x = layers.DepthwiseConv2D(3, padding="same", **BIAS)(conv(x, 48, 1))
    x = layers.PReLU(shared_axes=(1, 2), alpha_initializer="random_uniform")(x)
    weight = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weight = layers.Conv2D(48, 1, activation="sigmoid", **BIAS)(conv(weight, 16, 1))
    x = layers.Conv2D(16, 1, **BIAS)(layers.Multiply()([x, weight]))
    x = layers.Add()([start, x])
    x = conv(layers.ZeroPadding2D(1)(x), 32, strides=2)
    return layers.Dense(10, activation="softmax", **BIAS)(layers.GlobalAveragePooling2D()(x))


def joined(picture):
    """Concatenation, a grouped convolution, a depthwise multiplier, pooling, a flattened picture."""
    x = conv(picture, 24, strides=2)
    x = layers.Concatenate()([conv(x, 16, 1), layers.MaxPooling2D(3, 1, "same")(x), conv(x, 24, dilation_rate=2)])
    x = conv(x, 32, groups=2)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same", strides=2, **BIAS)(x)
    x = layers.Flatten()(conv(x, 16))
    x = layers.Dense(32, activation="relu", **BIAS)(x)
    return layers.Dense(10, activation="softmax", **BIAS)(x)


def dense_out(picture):
    """Transposed convolutions, resizing, a split, reshapes that keep channels; a picture comes out."""
    x = skip = conv(picture, 32, strides=2)
    one, other = keras.ops.split(x, 2, axis=-1)
    x = layers.Add()([conv(one, 24), conv(other, 24)])
    x = conv(x, 32, strides=2)
    x = layers.ReLU()(layers.Conv2DTranspose(24, 3, strides=2, padding="same", **BIAS)(x))
    x = layers.Concatenate()([x, skip])
    x = layers.UpSampling2D(interpolation="bilinear")(conv(x, 24))
    x = layers.Reshape((16, 64, 24))(x)
    return layers.Dense(3, activation="sigmoid", **BIAS)(x)


def locked(picture):
    """Nothing to cut: the only convolution is the output."""
    return layers.Conv2D(16, 3, **BIAS)(picture)


if __name__ == "__main__":
    keras.utils.set_random_seed(5)
    for network in (residual, joined, dense_out, locked):
        picture = keras.Input((32, 32, 3), name="picture")
        keras.Model(picture, network(picture)).save(Path(sys.argv[1]) / f"{network.__name__}.keras")
