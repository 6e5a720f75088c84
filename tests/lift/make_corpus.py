"""Write a small real `.tflite` for every kind of operation, with its variants; what each function returns is an output.

Run as a script, because it needs TensorFlow: `python make_corpus.py FOLDER`.
"""

import inspect
import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema

from relens.graph import Graph
from relens.graph.flatbuffer import edited

PICTURE = (1, 9, 7, 6)
RANDOM = np.random.default_rng(11)


def c(*shape: int, low: float = -0.5, high: float = 0.5) -> tf.Tensor:
    """A constant."""
    return tf.constant(RANDOM.uniform(low, high, shape).astype(np.float32))


def conv(x, channels=6, size=1):
    """Weights in front of what has none; nothing is known of its result's sign."""
    return tf.nn.conv2d(x, c(size, size, x.shape[-1], channels), 1, "SAME") + c(channels)


def convolution(x):
    def one(shape, strides=(1, 1), padding="SAME", dilation=(1, 1), bias=True, activation=tf.identity):
        y = tf.nn.conv2d(x, c(*shape), strides, padding, dilations=dilation)
        return activation(y + c(shape[-1]) if bias else y)

    return [
        one((3, 3, 6, 4)),
        one((3, 2, 6, 4), (2, 2)),
        one((3, 3, 6, 4), (2, 1), "VALID", activation=tf.nn.relu),
        one((4, 3, 6, 5), (3, 2), activation=tf.nn.relu6),
        one((3, 3, 6, 4), dilation=(2, 3)),
        one((3, 2, 6, 4), padding="VALID", dilation=(2, 2), bias=False),
        one((1, 1, 6, 8), bias=False, activation=lambda y: tf.clip_by_value(y, -1, 1)),
        one((3, 3, 3, 4)),
        one((3, 3, 2, 9), (2, 2), "VALID", activation=tf.nn.relu),
        one((3, 3, 1, 12), (1, 1), dilation=(2, 2), bias=False),
    ]


def depthwise(x):
    def one(multiplier, stride=1, padding="SAME", dilation=(1, 1), bias=True, activation=tf.identity):
        y = tf.nn.depthwise_conv2d(x, c(3, 3, 6, multiplier), (1, stride, stride, 1), padding, dilations=dilation)
        return activation(y + c(6 * multiplier) if bias else y)

    return [
        one(1, activation=tf.nn.relu6),
        one(1, 2),
        one(1, 2, "VALID", bias=False),
        one(2, activation=tf.nn.relu),
        one(3, 2),
        one(1, dilation=(2, 2)),
        one(2, padding="VALID", dilation=(3, 2), bias=False),
    ]


def transposed(x):
    def one(reach, stride, padding, bias=True):
        sizes = [n * stride + (max(reach - stride, 0) if padding == "VALID" else 0) for n in x.shape[1:3]]
        y = tf.nn.conv2d_transpose(x, c(reach, reach, 4, 6), (1, *sizes, 4), stride, padding)
        return y + c(4) if bias else y

    return [one(3, 2, "SAME"), one(2, 2, "VALID"), one(4, 2, "SAME", False), one(3, 2, "VALID"), one(2, 3, "VALID")]


def dense(x):
    rows, flat = tf.reshape(x, (1, 63, 6)), tf.reshape(x, (1, -1))
    return [
        tf.matmul(flat, c(378, 5)) + c(5),
        tf.nn.relu(tf.matmul(flat, c(378, 3))),
        tf.tensordot(rows, c(6, 4), 1) + c(4),
        tf.matmul(tf.reshape(x, (63, 6)), c(6, 4)) + c(4),
    ]


def slopes(x):
    def prelu(alpha):
        h = conv(x)
        return tf.nn.relu(h) + -alpha * tf.nn.relu(-h)

    return [prelu(c(1, 1, 6)), prelu(c(9, 7, 6))]


def shared(x):
    kernel, bias, slim = c(3, 3, 6, 6), c(6), c(3, 3, 6, 1)

    def layer(y):
        return tf.nn.relu(tf.nn.conv2d(y, kernel, 1, "SAME") + bias)

    twice = layer(layer(x))
    none = tf.nn.conv2d(twice, c(1, 1, 6, 4), 1, "SAME") + tf.zeros(4)
    thin = tf.nn.depthwise_conv2d(tf.nn.depthwise_conv2d(x, slim, (1, 1, 1, 1), "SAME"), slim, (1, 1, 1, 1), "SAME")
    return [twice, layer(x[:, 2:, 1:]), none, thin]


def smooth(x, y):
    a, b, positive = conv(x), conv(y), tf.exp(y * 0.3)
    return [
        *(a + b, a - b, a * b, a / positive, tf.maximum(a, b), tf.minimum(a, b)),
        *(tf.pow(positive, c(6) + 2), tf.math.squared_difference(a, b), tf.nn.relu(a + b), tf.nn.relu6(a - b)),
        *(tf.abs(a), tf.cos(a), tf.exp(a), tf.math.log(positive), -a, tf.math.rsqrt(positive), tf.sin(a)),
        *(tf.sqrt(positive), tf.square(a), tf.nn.relu(b * 1.0 + a * a), tf.tanh(a), tf.sigmoid(a), tf.nn.elu(a)),
        *(tf.nn.gelu(a), tf.nn.gelu(b, approximate=True), tf.nn.leaky_relu(a, 0.2), a * tf.nn.relu6(a + 3) / 6),
        *(tf.nn.softmax(a), tf.nn.softmax(a[:, 0, 0]), tf.nn.log_softmax(a), tf.math.l2_normalize(a, -1)),
        tf.nn.local_response_normalization(a, 2, 1.5, 0.3, 0.6),
        *(tf.clip_by_value(a, -1, 1), tf.nn.relu(tf.abs(a) - 0.1), tf.nn.relu6(tf.sin(a) * 9)),
    ]


def stepped(x, y):
    small, counts = tf.cast(y * 3, tf.int32), tf.cast(x * 3, tf.int32)
    return [
        *(conv(x), tf.floor(x * 3), tf.math.ceil(x * 3), tf.round(x * 3), tf.sign(x), x // (tf.abs(y) + 0.5)),
        *(tf.math.floormod(x * 5, y + 3), tf.math.floormod(counts, tf.abs(small) + 1)),
        *(small + counts, small * 3, tf.maximum(small, counts), tf.cast(small, tf.float32) * 0.1),
    ]


def broadcasting(x):
    h = conv(x)
    pooled, column = tf.reduce_mean(h, (1, 2), keepdims=True), h[:, :, :1, :1]
    return [
        *(h + c(6), c(6) - h, h * c(7, 1), c(9, 1, 1) / (tf.abs(h) + 1), h - 2.0, 3.0 / (tf.abs(h) + 1)),
        *(tf.maximum(h, c(1, 9, 7, 6)), pooled * h, h - pooled, pooled + column, column * c(1, 1, 1, 6)),
        *(column + c(1, 5, 6), pooled + c(1, 9, 7, 1), tf.minimum(c(7, 6), h)),
        tf.reshape(h, (1, 63, 6))[:, :7] * h,
        tf.reshape(tf.reshape(h, (63, 6)) + tf.reshape(pooled, (1, 6)), PICTURE),
        tf.reshape(tf.reshape(h, (63, 6)) * c(63, 6), PICTURE),
        tf.reshape(h, (9, 7, 6)) - pooled[:, :, 0],
    ]


def product(x, y):
    a, b = tf.reshape(conv(x), (1, 9, 42)), tf.reshape(conv(y), (1, 42, 9))
    heads = tf.reshape(conv(x), (1, 3, 21, 6))
    return [
        *(tf.matmul(a, b), tf.matmul(a, a, transpose_b=True), tf.matmul(a, a, transpose_a=True)),
        *(tf.matmul(heads, heads, transpose_b=True), tf.matmul(c(1, 4, 9), a), tf.matmul(heads, c(1, 3, 6, 5))),
        tf.matmul(tf.reshape(a, (9, 42)), tf.reshape(b, (42, 9))),
        tf.matmul(c(3, 5, 9), a),
        tf.matmul(tf.reshape(a, (3, 14, 9)), tf.reshape(b, (3, 14, 9)), transpose_a=True),
    ]


def pooling(x):
    h = conv(x)
    windows = [((2, 2), 2, "SAME"), ((3, 2), (2, 3), "VALID"), ((3, 3), 1, "SAME"), ((9, 7), 1, "VALID")]
    return [pool(h, *window) for pool in (tf.nn.avg_pool2d, tf.nn.max_pool2d) for window in windows]


def reduction(x):
    h, positive = conv(x), x > 0.3
    return [
        *(tf.reduce_mean(h, (1, 2)), tf.reduce_mean(h, -1, keepdims=True), tf.reduce_mean(h, (1, 2, 3))),
        *(tf.reduce_sum(h, 1), tf.reduce_max(h, (2, 3)), tf.reduce_min(h, -2, keepdims=True)),
        *(tf.reduce_prod(h, 3), tf.reduce_any(positive, (1, 3)), tf.reduce_all(positive, 2, keepdims=True)),
        *(tf.reduce_sum(tf.cast(positive, tf.int32), 1), tf.reduce_max(tf.cast(x * 9, tf.int32), 1)),
    ]


def resizing(x):
    h, made = conv(x), []
    for size in ((18, 14), (5, 4), (9, 20), (27, 3), (1, 1), (13, 7)):
        for align, half in ((False, False), (True, False), (False, True)):
            options = {"align_corners": align, "half_pixel_centers": half}
            made.append(tf.raw_ops.ResizeBilinear(images=h, size=size, **options))
            made.append(tf.raw_ops.ResizeNearestNeighbor(images=h, size=size, **options))
    return made


def moved(x):
    h = conv(x)
    return [
        *(
            tf.reshape(h, (1, 63, 6)),
            tf.reshape(h, (-1, 2)),
            tf.transpose(h, (0, 3, 1, 2)),
            tf.transpose(h, (0, 2, 1, 3)),
        ),
        *(
            tf.concat([h, x], -1),
            tf.concat([x, h, x], 2),
            tf.concat([h, c(1, 9, 7, 2)], 3),
            tf.concat([c(1, 2, 7, 6), x], 1),
        ),
        *(
            tf.stack([h, x], -1),
            tf.stack([h, c(*PICTURE), x], 1),
            *tf.unstack(h, axis=3),
            *tf.unstack(h[:, :2], axis=1),
        ),
        *(*tf.split(h, 3, -1), *tf.split(x, 7, 2), *tf.split(h, [1, 2, 3], 3), *tf.split(x, [4, -1], 1)),
        *(
            tf.slice(h, (0, 2, 1, 0), (1, 4, -1, 5)),
            tf.gather(h, [3, 0, 3], axis=3),
            tf.gather(h, [[1, 2], [0, 8]], axis=1),
        ),
        *(tf.gather(h, 2, axis=2), tf.pad(h, [[0, 0], [1, 2], [0, 3], [0, 0]]), tf.tile(h, (1, 2, 1, 3))),
        *(
            tf.pad(x, [[0, 0], [0, 1], [1, 0], [2, 0]], constant_values=-1.5),
            tf.expand_dims(h, 1),
            tf.expand_dims(h, -1),
        ),
        *(
            tf.pad(h, [[0, 0], [2, 1], [1, 1], [0, 0]], "REFLECT"),
            tf.pad(h, [[0, 0], [1, 1], [2, 1], [0, 0]], "SYMMETRIC"),
        ),
        *(tf.squeeze(h[:, :1], 1), tf.squeeze(h[:, :, :1, :1], (2, 3)), tf.broadcast_to(h[:, :1, :, :1], PICTURE)),
        *(tf.broadcast_to(x[:, :, :1] > 0, PICTURE), tf.tile(tf.cast(x, tf.int32), (1, 1, 2, 1))),
        *(
            tf.nn.depth_to_space(conv(x, 12), 2),
            tf.nn.space_to_depth(h[:, :8, :6], 2),
            tf.nn.space_to_depth(x[:, :, :6], 3),
        ),
    ]


def strided(x):
    h = conv(x)
    return [
        *(
            h[:, 1:, :-1],
            h[:, ::2, 1::3],
            h[:, :, ::-1],
            h[:, -3, 2:5],
            h[:, :, 3],
            h[..., 1],
            h[..., 1:3],
            h[:, 7:2:-2],
        ),
        *(h[:, tf.newaxis, 2, :, tf.newaxis, ::2], h[0:1, 1:2], x[:, -2:, -100:4, 5:99], h[:, 2, 3, 1:2]),
    ]


def windows(x):
    """Windows of a picture beside each other in the batch, as window attention has them; and back."""
    h = conv(x)[:, :8, :6]
    cut = tf.reshape(tf.transpose(tf.reshape(h, (1, 2, 4, 3, 2, 6)), (0, 1, 3, 2, 4, 5)), (6, 8, 6))
    weights = tf.nn.softmax(tf.matmul(cut, cut, transpose_b=True) + c(1, 8, 8) + c(6, 8, 8))
    mixed = tf.matmul(weights, tf.tensordot(cut, c(6, 6), 1))
    picture = tf.reshape(tf.transpose(tf.reshape(mixed, (1, 2, 3, 4, 2, 6)), (0, 1, 3, 2, 4, 5)), (1, 8, 6, 6))
    return [cut[0:6, 1:], mixed, picture + h, tf.reduce_mean(cut, 1)]


def blocks(x):
    """Dilation as it was once done: pixels to pictures, a plain operation, and back."""

    def apart(y, block, paddings, between, crops):
        y = tf.raw_ops.SpaceToBatchND(input=y, block_shape=block, paddings=paddings)
        return tf.raw_ops.BatchToSpaceND(input=between(y), block_shape=block, crops=crops)

    def inner(y):
        return tf.nn.max_pool2d(tf.tanh(conv(y, 4, 3)), 2, 1, "SAME")

    twice = tf.raw_ops.SpaceToBatchND(input=x[:, :8, :6], block_shape=[2, 1], paddings=[[0, 0], [0, 0]])
    return [
        apart(x, [2, 2], [[0, 1], [1, 0]], inner, [[0, 1], [1, 0]]),
        apart(x, [3, 2], [[2, 1], [1, 2]], inner, [[1, 0], [0, 1]]),
        apart(twice, [2, 3], [[0, 0], [0, 0]], inner, [[0, 0], [1, 0]]),
        tf.raw_ops.BatchToSpaceND(input=inner(twice), block_shape=[2, 1], crops=[[0, 0], [0, 0]]),
    ]


def choice(x, y):
    positive, more = x > 0.2, x >= y
    return [
        *(conv(x), tf.argmax(x, -1), tf.argmax(x, 1, output_type=tf.int32), tf.argmin(x, 2, output_type=tf.int32)),
        *(*tf.math.top_k(x, 3), *tf.math.top_k(tf.reshape(x, (1, -1)), 10), tf.cast(x * 4, tf.int32)),
        *(tf.cast(positive, tf.float32), tf.raw_ops.Select(condition=more, x=x, y=y), tf.where(positive, x, 0.5)),
        *(tf.where(more[..., :1], c(6), x), tf.where(x > c(9, 7, 6), conv(x), y), tf.equal(tf.round(x), tf.round(y))),
        *(tf.not_equal(tf.sign(x), tf.sign(y)), x > 0.1, x >= y, x < c(6), x <= y[:, :1], positive & more),
        *(positive | more, ~(positive & more)),
    ]


def half(x):
    return [conv(x, 4, 3), tf.matmul(tf.reshape(x, (1, -1)), c(378, 5)) + c(5)]


def open_batch(x):
    """A batch left open makes the file compute shapes."""
    batch = tf.shape(x)[0]
    h = conv(x)
    rows = tf.reshape(h, (batch, 63, 6))
    return [
        rows,
        tf.concat([rows, tf.fill((batch, 2, 6), 0.5)], 1),
        tf.reshape(rows * 2, (batch * 9, 7, 6)),
        *(tf.expand_dims(h, 1), tf.expand_dims(h, -1)),
    ]


def open_sizes(x):
    """Where more than the batch is open, the converter keeps what it would else call a reshape."""
    return [conv(x), tf.squeeze(conv(x)[:, :, :1], 2), tf.squeeze(x[:, :, :1, :1], (-2, 3))]


def zero_to_one(x):
    """No pattern leads the converter to this activation: its sibling's code is changed."""
    return [conv(x), tf.clip_by_value(tf.exp(x) + tf.sin(x) - 1, -1, 1), tf.clip_by_value(tf.exp(-x), -1, 1)]


KINDS = {
    **dict.fromkeys(("convolution", "depthwise", "transposed", "dense", "slopes", "shared"), PICTURE),
    **dict.fromkeys(("smooth", "stepped", "broadcasting", "product", "pooling", "reduction"), PICTURE),
    **dict.fromkeys(("zero_to_one", "resizing", "moved", "strided", "windows", "blocks", "choice", "half"), PICTURE),
    "open_batch": (None, *PICTURE[1:]),
    "open_sizes": (None, None, *PICTURE[2:]),
}


def written(name: str, shape: tuple[int | None, ...]) -> bytes:
    """The function of this name as a graph."""
    function = globals()[name]
    inputs = [tf.TensorSpec(shape, name=argument) for argument in inspect.signature(function).parameters]
    concrete = tf.function(function, input_signature=inputs).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    if name == "half":
        converter.optimizations, converter.target_spec.supported_types = [tf.lite.Optimize.DEFAULT], [tf.float16]
    content = bytes(converter.convert())
    return edited(Graph.from_bytes(content), _recoded).content if name == "zero_to_one" else content


def _recoded(model):
    for code in model.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.RELU_N1_TO_1:
            code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU_0_TO_1, 127


if __name__ == "__main__":
    keras.utils.set_random_seed(7)
    for kind in sys.argv[2:] or KINDS:
        (Path(sys.argv[1]) / f"{kind}.tflite").write_bytes(written(kind, KINDS[kind]))
