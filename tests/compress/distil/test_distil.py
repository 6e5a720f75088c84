import subprocess
import sys
from pathlib import Path

import pytest

from relens.compress.distil import distil
from relens.compress.heal import Augmentation, HealSettings, Pictures
from relens.graph import Graph
from relens.sources import import_model

STUDENT = """
import sys, keras
layers = keras.layers
keras.utils.set_random_seed(1)
keras.Sequential([
    keras.Input((32, 32, 3), name="photo"),
    layers.Conv2D(12, 3, strides=2, padding="same", activation="relu"),
    layers.Conv2D(24, 3, strides=2, padding="same", activation="relu"),
    layers.GlobalAveragePooling2D(),
    layers.Dense(3, activation="softmax", name="answers"),
]).save(sys.argv[1])
"""


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """Another architecture with random weights and other names, as a Keras file would bring it."""
    path = tmp_path_factory.mktemp("student") / "small.keras"
    made = subprocess.run([sys.executable, "-c", STUDENT, path], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[-2000:]
    return import_model(Path(path)).graph


def test_a_student_from_a_file_learns_without_labels(lesson, student) -> None:
    settings = HealSettings(
        epochs=30, batch=16, learning_rate=1e-2, augmentation=Augmentation(crop=0.9, colour=0.1, mixup=0.0)
    )

    made = distil(lesson.graph, student, Pictures(lesson.frames, lesson.spec), settings)

    before, after, teacher = (lesson.top1(graph) for graph in (student, made.graph, lesson.graph))
    # 240 pictures are few for a model that starts from nothing; what counts is that it learns from answers alone.
    assert after > before + 0.25, f"teacher {teacher}, untrained {before}, taught {after}\n{made}"
    assert max(made.plain.after, made.features.after) < 0.6 * made.plain.before
    assert made.graph.size_bytes < lesson.graph.size_bytes
    assert min(made.plain.after, made.features.after) == (made.plain if made.method == "plain" else made.features).after
    assert {"plain", "features"} <= set(repr(made).split())
