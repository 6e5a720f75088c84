"""Save well-known architectures with random weights: `python make_architectures.py FOLDER NAME...`.

Each keeps its batch normalization's statistics from random pictures, moved a little, so that signals stay sensible.
"""

import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import keras
import numpy as np
from keras import layers, ops

RANDOM = np.random.default_rng(5)


def conv(x, channels, size=3, stride=1, activation="relu6"):
    x = layers.Conv2D(channels, size, stride, padding="same", use_bias=False)(x)
    return layers.Activation(activation)(layers.BatchNormalization()(x))


def ssd():
    """Six scales' worth of anchors from three; boxes decoded, scores by softmax."""
    image = keras.Input((96, 96, 3), name="image")
    x, features = layers.Rescaling(1 / 127.5, -1)(image), []
    for channels in (16, 24, 32, 48, 64):
        x = layers.DepthwiseConv2D(3, 2, padding="same", use_bias=False)(conv(x, channels, 1))
        x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
        features.append(x)
    boxes, classes, anchors = [], [], []
    for feature in features[-3:]:
        height, width = feature.shape[1:3]
        boxes.append(layers.Reshape((height * width * 3, 4))(layers.Conv2D(12, 3, padding="same")(feature)))
        classes.append(layers.Reshape((height * width * 3, 5))(layers.Conv2D(15, 3, padding="same")(feature)))
        y, x = np.meshgrid((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width, indexing="ij")
        sizes = np.tile([[0.1, 0.2], [0.2, 0.1], [0.3, 0.3]], (height * width, 1))
        anchors.append(np.column_stack([np.repeat(y.ravel(), 3), np.repeat(x.ravel(), 3), sizes]))
    box, score = layers.Concatenate(axis=1)(boxes), layers.Softmax()(layers.Concatenate(axis=1)(classes))
    anchor = np.concatenate(anchors)[None].astype(np.float32)
    centre, half = (
        box[..., :2] * 0.1 * anchor[..., 2:] + anchor[..., :2],
        ops.exp(box[..., 2:] * 0.2) * anchor[..., 2:] / 2,
    )
    best = ops.top_k(score[..., 1:], k=1)
    corners = ops.concatenate([centre - half, centre + half], axis=-1)
    return keras.Model(image, {"boxes": corners, "scores": score, "best": best[0], "label": best[1]})


def yolo():
    """Three scales, up and down; grids, sigmoids and exponentials."""
    image = keras.Input((128, 128, 3), name="image")
    x, features = layers.Rescaling(1 / 255)(image), []
    for channels in (16, 24, 32, 48, 64):
        x = conv(x, channels, 3, 2, "silu")
        features.append(x)
    pools = [layers.MaxPooling2D(size, 1, padding="same")(x) for size in (5, 9)]
    coarse = conv(layers.Concatenate()([x, *pools]), 64, 1, 1, "silu")
    middle = conv(layers.Concatenate()([layers.UpSampling2D()(coarse), features[3]]), 48, 3, 1, "silu")
    up = layers.UpSampling2D(interpolation="bilinear")(middle)
    fine = conv(layers.Concatenate()([up, features[2]]), 32, 3, 1, "silu")
    found = []
    for feature, stride in ((fine, 8), (middle, 16), (coarse, 32)):
        height, width = feature.shape[1:3]
        y = layers.Reshape((height * width, 11))(layers.Conv2D(11, 1)(feature))
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).reshape(1, -1, 2).astype(np.float32)
        place = (ops.sigmoid(y[..., :2]) * 2 - 0.5 + grid) * stride
        sure = ops.sigmoid(y[..., 4:])
        size = ops.exp(ops.minimum(y[..., 2:4], 4.0)) * stride
        found.append(ops.concatenate([place, size, sure[..., :1] * sure[..., 1:]], axis=-1))
    return keras.Model(image, {"detections": ops.concatenate(found, axis=1)})


def small():
    return keras.applications.MobileNet((64, 64, 3), alpha=0.25, weights=None, classes=10)


OWN = {"ssd": ssd, "yolo": yolo, "small": small}
WITH_SCALING = ("MobileNetV3Small", "MobileNetV3Large", "EfficientNetB0", "ConvNeXtTiny", "ssd", "yolo")


def made(name):
    keras.utils.set_random_seed(3)
    known = keras.applications
    model = OWN[name]() if name in OWN else getattr(known, name)(weights=None, input_shape=(224, 224, 3))
    normalizations = [layer for layer in model._flatten_layers() if isinstance(layer, layers.BatchNormalization)]
    for weight in (weight for weight in model.trainable_weights if weight.name == "bias"):
        weight.assign(RANDOM.normal(0, 0.1, weight.shape))
    for layer in normalizations:
        channels, layer.momentum = layer.moving_mean.shape, 0.0
        if layer.scale:
            layer.gamma.assign(RANDOM.uniform(0.7, 1.3, channels))
        layer.beta.assign(RANDOM.normal(0, 0.3, channels))
    low, high = (0, 255) if name in WITH_SCALING else (-1, 1)
    model(RANDOM.uniform(low, high, (8, *model.input_shape[1:])).astype(np.float32), training=True)
    for layer in normalizations:
        spread = RANDOM.uniform(0.7, 1.4, layer.moving_variance.shape)
        layer.moving_variance.assign(layer.moving_variance * spread + 1e-3)
    return model


if __name__ == "__main__":
    for architecture in sys.argv[2:]:
        made(architecture).save(Path(sys.argv[1]) / f"{architecture}.keras")
