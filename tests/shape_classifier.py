"""Train a small classifier of drawn shapes and write it, with pictures and a project file, into a folder.

Run as a script, because it needs TensorFlow: `python shape_classifier.py FOLDER`.
"""

import csv
import os
import sys
from pathlib import Path

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow")

import cv2
import keras
import numpy as np

LABELS = ("circle", "square", "cross")
SIZE = 32
PROJECT = """\
[model]
source = "shapes.keras"
labels = "labels.txt"
[input]
scaling = "0..1"
[data]
calibration = "calibration"
validation = "validation.csv"
[goals]
max_accuracy_drop = 0.05
"""


def picture(random: np.random.Generator, kind: int) -> np.ndarray:
    """One shape of random place, size and colours with noise, (48, 64, 3) uint8 BGR."""
    canvas = np.full((48, 64, 3), random.integers(0, 110, 3), np.uint8)
    colour = tuple(int(c) for c in random.integers(140, 256, 3))
    x, y, r = int(random.integers(18, 46)), int(random.integers(16, 32)), int(random.integers(9, 14))
    if kind == 0:
        cv2.circle(canvas, (x, y), r, colour, cv2.FILLED)
    elif kind == 1:
        cv2.rectangle(canvas, (x - r, y - r), (x + r, y + r), colour, cv2.FILLED)
    else:
        cv2.line(canvas, (x - r, y), (x + r, y), colour, 4)
        cv2.line(canvas, (x, y - r), (x, y + r), colour, 4)
    noise = random.normal(0, 8, canvas.shape)
    return np.clip(canvas + noise, 0, 255).astype(np.uint8)


def prepared(pictures: list[np.ndarray]) -> np.ndarray:
    """Stretched to the model's input, RGB, 0..1."""
    small = [cv2.cvtColor(cv2.resize(p, (SIZE, SIZE)), cv2.COLOR_BGR2RGB) for p in pictures]
    return np.stack(small).astype(np.float32) / 255


def main(folder: Path) -> None:
    """Train, then write everything."""
    keras.utils.set_random_seed(7)
    random = np.random.default_rng(7)
    kinds = np.arange(900) % 3
    pictures = [picture(random, int(kind)) for kind in kinds]
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3), name="picture"),
            layers.Conv2D(16, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.DepthwiseConv2D(3, strides=2, padding="same"),
            layers.Conv2D(32, 1, activation="relu"),
            layers.Conv2D(32, 3, strides=2, padding="same", activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax", name="scores"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.optimizer.learning_rate = 5e-3
    model.fit(prepared(pictures), kinds, batch_size=32, epochs=15, verbose=0)
    model.save(folder / "shapes.keras")
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))
    (folder / "relens.toml").write_text(PROJECT)
    for name, count in (("calibration", 32), ("train", 240)):
        (folder / name).mkdir()
        for number in range(count):
            cv2.imwrite(str(folder / f"{name}/{number:03d}.png"), pictures[number])
    (folder / "validation").mkdir()
    with (folder / "validation.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "label"])
        for number in range(120):
            name = f"validation/{number:03d}.png"
            cv2.imwrite(str(folder / name), picture(random, number % 3))
            rows.writerow([name, LABELS[number % 3]])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
