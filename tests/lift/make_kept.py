"""Write graphs in which something between trained operations cannot be said in Keras on a batch of pictures.

Run as a script, because it needs TensorFlow: `python make_kept.py FOLDER`.
"""

import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import keras
import numpy as np
import tensorflow as tf

RANDOM = np.random.default_rng(12)
MEMORY = keras.layers.LSTM(6, return_sequences=True, kernel_initializer=keras.initializers.RandomNormal(seed=3))
MEMORY.build((1, 63, 6))


def conv(x, channels=6):
    kernel = tf.constant(RANDOM.uniform(-0.5, 0.5, (1, 1, x.shape[-1], channels)).astype(np.float32))
    return tf.nn.conv2d(x, kernel, 1, "SAME") + tf.constant(RANDOM.uniform(-1, 1, channels).astype(np.float32))


def loop(h):
    return tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.tanh(y * 1.5)), (0, h))[1]


def memory(h):
    return MEMORY(tf.reshape(h, (1, 63, 6)))


def suppression(h):
    boxes, scores = tf.sigmoid(tf.reshape(h, (63, 6))[:, :4]), tf.reshape(h, (63, 6))[:, 4]
    indices, valid = tf.image.non_max_suppression_padded(boxes, scores, 7, pad_to_max_output_size=True)
    return tf.concat([tf.gather(boxes, indices), tf.fill((7, 1), tf.cast(valid, tf.float32))], 1)


def looked_up(h):
    rows = tf.reshape(h, (1, 63, 6))
    return tf.gather(rows, tf.math.top_k(rows[..., 0], 5)[1], axis=1, batch_dims=1)


def mixed(h):
    return tf.reshape(tf.transpose(conv(tf.transpose(h, (3, 1, 2, 0)), 2), (3, 1, 2, 0)), (1, 18, 7, 6))


def flattened(h):
    return tf.reshape(tf.nn.softmax(tf.reshape(h, (-1,))), (1, 9, 7, 6))


def spectrum(h):
    return tf.abs(tf.signal.rfft2d(tf.reshape(h[:, :8, :, :4], (8, 28))[:, :16]))


def odd_size(h):
    kernel = tf.constant(RANDOM.uniform(-0.5, 0.5, (3, 3, 6, 6)).astype(np.float32))
    return tf.nn.conv2d_transpose(h, kernel, (1, 17, 13, 6), 2, "SAME")


def divided(h):
    return tf.cast(tf.truncatediv(tf.cast(h * 9, tf.int32), 2), tf.float32)


def joined(h):
    both = tf.concat([h, h * 2], 0)
    return both[1:2] + tf.reduce_sum(both, 0, keepdims=True)


def picked(h):
    windows = tf.reshape(h, (9, 7, 6))
    return tf.reshape(windows[0:1], (1, 1, 7, 6)) + tf.reshape(windows[::3], (1, 3, 7, 6))


def total(h):
    return h / (tf.reduce_sum(tf.abs(h)) + 1)


def foreign(h):
    return h * tf.linalg.det(tf.reshape(h[:, :6, 0], (6, 6)))


KINDS = (loop, memory, suppression, looked_up, mixed, flattened, spectrum, odd_size, divided, joined, picked, total)


def written(middle) -> bytes:
    """A convolution, the middle, and what more weights make of it."""

    def function(x):
        y = middle(tf.nn.relu6(conv(x)) + 0.1)
        y = tf.reshape(y, (1, -1, 1, y.shape[-1]))
        return [conv(y, 4), tf.reduce_mean(conv(x, 2), (1, 2))]

    concrete = tf.function(function, input_signature=[tf.TensorSpec((1, 9, 7, 6), name="x")]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.allow_custom_ops = middle is foreign
    return bytes(converter.convert())


if __name__ == "__main__":
    for kind in (*KINDS, foreign):
        (Path(sys.argv[1]) / f"{kind.__name__}.tflite").write_bytes(written(kind))
