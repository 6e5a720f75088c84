"""Models to calibrate latency estimates on, as Keras files: `python bench/estimate_models.py FOLDER [held-out]`.

Well-known architectures at several sizes, with random weights: time does not depend on them, as long as signals stay
sensible; so each batch normalization keeps the statistics of random pictures. Held out are those that neither the rates
nor the formula were made with. Needs TensorFlow; `bench/estimate.py` starts it when its folder is empty.
"""

import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import keras
import numpy as np

ARCHITECTURES = (
    ("MobileNet", 64, {"alpha": 0.25}),
    ("MobileNet", 96, {"alpha": 0.5}),
    ("MobileNet", 160, {"alpha": 0.5}),
    ("MobileNet", 224, {"alpha": 1.0}),
    ("MobileNetV2", 96, {"alpha": 0.35}),
    ("MobileNetV2", 160, {"alpha": 1.0}),
    ("MobileNetV2", 224, {"alpha": 1.0}),
    ("MobileNetV3Small", 160, {}),
    ("MobileNetV3Large", 224, {}),
    ("EfficientNetB0", 128, {}),
    ("EfficientNetB0", 224, {}),
    ("ResNet50", 128, {}),
    ("ResNet50", 224, {}),
    ("DenseNet121", 160, {}),
    ("NASNetMobile", 224, {}),
    ("VGG16", 96, {}),
)
HELD_OUT = (("EfficientNetV2B0", 160, {}), ("InceptionV3", 160, {}), ("Xception", 160, {}))
SCALED_INSIDE = ("MobileNetV3", "EfficientNet")


def made(name: str, size: int, more: dict[str, float]) -> keras.Model:
    """An architecture for pictures of `size` x `size`."""
    keras.utils.set_random_seed(3)
    model = getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=100, **more)
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    low, high = (0, 255) if name.startswith(SCALED_INSIDE) else (-1, 1)
    pictures = np.random.default_rng(3).uniform(low, high, (8, size, size, 3))
    model(pictures.astype(np.float32), training=True)
    return model


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for architecture, pixels, options in HELD_OUT if "held-out" in sys.argv[2:] else ARCHITECTURES:
        family = architecture.replace("V3", "V3-")  # Small and Large are left out together
        alpha = f"-{options['alpha']:g}" if options else ""
        made(architecture, pixels, options).save(folder / f"{family}{alpha}-{pixels}.keras")
