"""Builds the real files the tests read; run by conftest.py in a process of its own, for TensorFlow's sake."""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import keras
import numpy as np
import tensorflow as tf
from litert_quantizer import algorithm_manager, qtyping, quantizer, recipe

layers = keras.layers


def network() -> keras.Model:
    """A picture in, scores and a box out; 1.2 MB, so that the quantizer stores constants behind the flatbuffer."""
    picture = keras.Input((16, 16, 3), name="picture")
    # The converter drops a bias of zeros, so none is.
    bias = {"bias_initializer": "random_uniform"}
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu6", name="conv", **bias)(picture)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise", **bias)(x)
    x = layers.Conv2DTranspose(4, 2, strides=2, name="transpose", **bias)(x)
    x = layers.Flatten()(x)
    scores = layers.Dense(300, name="scores", activation="softmax", **bias)(x)
    return keras.Model(picture, [scores, layers.Dense(4, name="box", **bias)(x)])


def signed(model: keras.Model) -> bytes:
    """Converted the usual way, with a signature."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    spec = tf.TensorSpec((1, 16, 16, 3), tf.float32, name="picture")
    archive.add_endpoint(
        "serve",
        lambda x: dict(zip(["scores", "box"], model(x, training=False), strict=True)),
        input_signature=[spec],
    )
    with tempfile.TemporaryDirectory() as folder:
        archive.write_out(folder, verbose=False)
        return bytes(tf.lite.TFLiteConverter.from_saved_model(folder).convert())


def unsigned(function: object, *shapes: tuple[int, ...]) -> bytes:
    """Converted from a bare function, which leaves no signature."""
    concrete = tf.function(function, input_signature=[tf.TensorSpec(s) for s in shapes]).get_concrete_function()
    return bytes(tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())


def half(model: keras.Model) -> bytes:
    """Weights stored as float16."""
    with tempfile.TemporaryDirectory() as folder:
        model.export(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
        return bytes(converter.convert())


def quantized(source: Path, *, convolution: bool) -> bytes:
    """Integer throughout, or with the convolution left in floating point."""
    pictures = [np.random.default_rng(n).uniform(0, 1, (1, 16, 16, 3)).astype(np.float32) for n in range(8)]
    work = quantizer.Quantizer(str(source), recipe.static_wi8_ai8())
    if not convolution:
        work.update_quantization_recipe(
            ".*",
            qtyping.TFLOperationName.CONV_2D,
            algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE,
        )
    ranges = work.calibrate({"serving_default": [{"picture": picture} for picture in pictures]}, num_threads=2)
    return bytes(work.quantize(ranges, enable_progress_report=False).quantized_model)


def main(folder: Path) -> None:
    """Write every file, and what Keras knows of the network."""
    keras.utils.set_random_seed(7)
    model = network()
    picture = np.random.default_rng(1).uniform(0, 1, (1, 16, 16, 3)).astype(np.float32)
    scores, box = (np.asarray(output) for output in model(picture))
    np.savez(folder / "keras.npz", picture=picture, scores=scores, box=box, kernel=model.get_layer("conv").kernel)
    (folder / "keras.json").write_text(json.dumps({"parameters": model.count_params()}))
    (folder / "float.tflite").write_bytes(signed(model))
    (folder / "half.tflite").write_bytes(half(model))
    (folder / "unsigned.tflite").write_bytes(unsigned(lambda picture: model(picture)[1], (1, 16, 16, 3)))
    (folder / "matmul.tflite").write_bytes(
        unsigned(lambda x, y: tf.matmul(x, y, transpose_a=True), (2, 5, 3), (2, 5, 7))
    )
    weights = tf.constant(np.ones((2, 2, 2, 2, 3), np.float32))
    (folder / "volume.tflite").write_bytes(
        unsigned(lambda x: tf.nn.conv3d(x, weights, [1] * 5, "VALID"), (1, 4, 4, 4, 2))
    )
    source = folder / "float.tflite"
    (folder / "integer.tflite").write_bytes(quantized(source, convolution=True))
    (folder / "mixed.tflite").write_bytes(quantized(source, convolution=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
