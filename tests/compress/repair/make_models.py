"""Small networks with what int8 finds hard, as float graphs; a script of its own, for TensorFlow's sake."""

import os
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf

layers = keras.layers


def network(activation: str) -> keras.Model:
    """Convolution, depthwise, convolution, each with a bias, and scores; channels of the first differ 1000 times."""
    random = {"bias_initializer": keras.initializers.RandomUniform(-0.2, 0.2)}
    picture = keras.Input((24, 24, 3), name="picture")
    x = layers.Conv2D(8, 3, padding="same", activation=activation, name="first", **random)(picture)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.DepthwiseConv2D(3, strides=2, activation=activation, name="depthwise", **random)(x)
    x = layers.Conv2D(12, 1, activation=activation, name="second", **random)(x)
    x = layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = layers.Flatten()(layers.Conv2D(4, 1, name="third", **random)(x))
    model = keras.Model(picture, layers.Softmax(name="scores")(x))
    kernel, bias = model.get_layer("first").get_weights()
    size = np.logspace(-2, 1, 8).astype(np.float32)
    model.get_layer("first").set_weights([kernel * size, bias * size])
    kernel, bias = model.get_layer("depthwise").get_weights()
    model.get_layer("depthwise").set_weights([kernel / size[:, None], bias])
    return model


def write(model: keras.Model, path: Path) -> None:
    """Converted the usual way, with a signature."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((1, 24, 24, 3), tf.float32, name="picture")
    archive.add_endpoint("serve", lambda x: {"scores": model(x, training=False)}, input_signature=[spec])
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        path.write_bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def dead(model: keras.Model) -> keras.Model:
    """The same with a channel that regularisation left with nothing but its bias."""
    kernel, bias = model.get_layer("second").get_weights()
    kernel[..., 3] *= 1e-30
    bias[3] = 0.9
    model.get_layer("second").set_weights([kernel, bias])
    return model


def main(folder: Path) -> None:
    """One file for each activation."""
    for activation in ("relu", "relu6", "silu"):
        keras.utils.set_random_seed(3)
        write(network(activation), folder / f"{activation}.tflite")
    keras.utils.set_random_seed(3)
    write(dead(network("relu")), folder / "dead.tflite")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
