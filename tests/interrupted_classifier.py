"""Train a shape classifier with operations in the middle that Keras cannot say, and write it as `interrupted.tflite`.

Run as a script, because it needs TensorFlow: `python interrupted_classifier.py FOLDER`.
"""

import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import keras
import numpy as np
import tensorflow as tf

from shape_classifier import SIZE, picture, prepared

SIDE, CHANNELS = 8, 24
# GATHER_ND: each place of the features, right to left; its result has rows for its first axis, and no batch.
MIRRORED = np.stack(np.meshgrid([0], range(SIDE), range(SIDE)[::-1], indexing="ij"), -1)[0].astype(np.int32)


def middle(features):
    """(1, 8, 8, 24) -> (1, 8, 8, 48): mirrored, summed along rows and, as whole numbers, counted along columns."""
    mirrored = tf.reshape(tf.gather_nd(features, MIRRORED), (1, SIDE, SIDE, CHANNELS))
    sums = tf.cumsum(mirrored[..., :12], axis=2) / SIDE
    counts = tf.cumsum(tf.cast(features[..., 12:] > 0.5, tf.int32), axis=1)
    return tf.concat([mirrored, sums, tf.cast(counts, tf.float32) / SIDE], -1)


def trained_middle(features):
    """The same for a batch, for training."""
    mirrored = keras.ops.flip(features, axis=2)
    sums = keras.ops.cumsum(mirrored[..., :12], axis=2) / SIDE
    counts = keras.ops.cumsum(keras.ops.cast(features[..., 12:] > 0.5, "int32"), axis=1)
    return keras.ops.concatenate([mirrored, sums, keras.ops.cast(counts, "float32") / SIDE], -1)


def main(folder: Path) -> None:
    """Train, then write."""
    keras.utils.set_random_seed(7)
    random = np.random.default_rng(7)
    kinds = np.arange(600) % 3
    pictures = prepared([picture(random, int(kind)) for kind in kinds])
    layers = keras.layers
    front = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, strides=2, padding="same"),
            layers.Conv2D(CHANNELS, 1, activation="relu"),
        ]
    )
    back = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 2 * CHANNELS)),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    entry = keras.Input((SIZE, SIZE, 3))
    model = keras.Model(entry, back(trained_middle(front(entry))))
    model.compile(keras.optimizers.Adam(5e-3), "sparse_categorical_crossentropy")
    model.fit(pictures, kinds, batch_size=32, epochs=15, verbose=0)

    specs = [tf.TensorSpec((1, SIZE, SIZE, 3), tf.float32, name="picture")]
    module = tf.Module()
    module.weights = [variable.value for variable in (*front.variables, *back.variables)]
    module.serve = tf.function(lambda picture: {"scores": back(middle(front(picture)))}, input_signature=specs)
    saved = str(folder / "saved")
    tf.saved_model.save(module, saved, signatures={"serving_default": module.serve})
    (folder / "interrupted.tflite").write_bytes(tf.lite.TFLiteConverter.from_saved_model(saved).convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
