"""What a teacher is worth: the same small models trained with one, without labels, and without one, on true labels.

Students: the original without some of its blocks (`layers`), without some of its channels (`channels`), and a thinner
one with random weights (`distil`). Each is trained on the same pictures, with the same augmentation, batches, epochs
and learning rate:

    teacher     answers of the original, no labels (`heal`, `distil`)
    labels      true labels alone, from the same start
    scratch     true labels alone, from random weights

The best epoch counts: for the teacher by its answers to pictures held out, for labels by those pictures' labels. Top-1
on the validation pictures; differences are paired, with 95 % intervals.

    python bench/teacher.py relens.toml train_labels.csv --epochs 15
"""

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import relens
from relens.graph import Graph, cost
from relens.graph.edit import with_operands
from relens.graph.tensor import WEIGHTED
from relens.pipeline.labels import read_labels
from relens.spec import Project
from relens.vision import Frames, frames_from_files
from relens.vision.frames import held_out

Labels = NDArray[np.float32]


def main() -> None:
    """Parse, train, print."""
    options = arguments()
    project = relens.load(options.project)
    bench = Bench(project, options)
    print(f"original: {bench.score(bench.teacher).interval}, {len(bench.frames)} pictures to learn from")
    for name, student in bench.students().items():
        share = cost(student).macs / cost(bench.teacher).macs
        print(f"{name}: {share:.0%} of the MACs, {student.size_bytes / 1e6:.2f} MB", flush=True)
        taught = bench.score(bench.taught(student))
        print(f"  teacher  {taught.interval}", flush=True)
        for way, start in (("labels", student), ("scratch", with_random_weights(student))):
            if way == "labels" and name == "distil":
                continue  # it starts from random weights
            alone = bench.score(bench.alone(start))
            print(f"  {way:8} {alone.interval}  teacher is better by {alone.drop_from(taught)}", flush=True)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="relens.toml, with labelled validation pictures")
    parser.add_argument("labels", type=Path, help="file,label of the training pictures")
    parser.add_argument("--students", default="layers,channels,distil")
    parser.add_argument("--depth", type=float, default=0.6, help="share of the MACs that `layers` leaves")
    parser.add_argument("--width", type=float, default=0.6, help="share of the channels that the others keep")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    return parser.parse_args()


class Bench:
    """The original, the pictures, and how to train."""

    def __init__(self, project: Project, options: argparse.Namespace) -> None:
        from relens.compress.heal import HealSettings
        from relens.measure.validation import load_validation

        self.project, self.options = project, options
        self.classes = read_labels(project.model.labels)
        self.teacher = relens.import_model(project.model.source).graph
        self.frames, self.truth, self.held, self.held_truth = labelled(options.labels, self.classes)
        self.settings = HealSettings(epochs=options.epochs, learning_rate=options.learning_rate)
        self.validation = load_validation(project.data, self.classes)

    def students(self) -> dict[str, Graph]:
        """What is to be trained, by name."""
        from relens.compress.distil import derived

        def make(**shares: float) -> Graph:
            return derived(self.teacher, self.frames, self.project.input, **shares)

        makers = {
            "layers": lambda: make(depth=self.options.depth),
            "channels": lambda: make(width=self.options.width),
            "distil": lambda: with_random_weights(make(width=self.options.width)),
        }
        return {name: makers[name]() for name in self.options.students.split(",")}

    def taught(self, student: Graph) -> Graph:
        """Trained with the teacher, without labels."""
        from relens.compress.heal import Pictures, heal

        pictures = Pictures(self.frames, self.project.input, held=self.held)
        return heal(self.teacher, student, pictures, self.settings).graph

    def alone(self, student: Graph) -> Graph:
        """Trained on true labels; the epoch with the least cross-entropy on the pictures held out."""
        import keras
        from keras import ops
        from plain import Plain

        from relens.compress.heal.batches import Batches, plain_batches
        from relens.compress.heal.bridge import Bridge
        from relens.compress.heal.compiling import compiles
        from relens.compress.heal.loop import scheduled_adam
        from relens.compress.heal.normal import Statistician, normalized
        from relens.compress.heal.pairing import CleanBatches
        from relens.compress.heal.targets import targets
        from relens.graph.edit import with_outputs
        from relens.lift import lower

        (end,) = targets(student, features=False)
        seen, tensor, spec = with_outputs(student, [end.tensor]), student.inputs[0], self.project.input
        clean = CleanBatches(self.frames, spec, tensor, self.settings.batch)
        lifted = normalized(seen, clean)

        def batches(epoch: int) -> Any:
            how = {"size": self.settings.batch, "change": self.settings.augmentation, "seed": self.settings.seed}
            return Batches(self.frames, spec, tensor, epoch=epoch, labels=self.truth, **how)

        def loss(truth: Any, logits: Any) -> Any:
            return -ops.mean(ops.sum(truth * ops.log_softmax(logits, axis=-1), axis=-1))

        def judged() -> float:
            logits = [model.predict_on_batch(batch) for batch in plain_batches(self.held, spec, tensor, 32)]
            return float(loss(self.held_truth, np.concatenate(logits)))

        model = Plain(lifted.model, seen.outputs[0].name, loss)
        model.compile(scheduled_adam(self.settings, len(batches(0))), jit_compile=compiles())
        statistician = Statistician(Bridge(lifted))
        best, kept = np.inf, lifted.model.get_weights()
        for epoch in range(self.settings.epochs):
            model.fit(batches(epoch), epochs=1, verbose=0, shuffle=False)
            statistician.refresh(clean)
            found = judged()
            if found < best:
                best, kept = found, lifted.model.get_weights()
        lifted.model.set_weights(kept)
        keras.backend.clear_session()
        return lower(lifted, onto=student)

    def score(self, graph: Graph) -> Any:
        """Top-1 on the validation pictures, on LiteRT."""
        import tempfile

        from relens.engines import load_engine
        from relens.vision import VisionModel

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "model.tflite"
            graph.write(file)
            model = VisionModel(load_engine(file, "litert"), self.project.input, self.project.output)
            return self.validation.metric.score([model.predict(frame) for frame in self.validation.frames])


def labelled(table: Path, classes: tuple[str, ...]) -> tuple[Frames, Labels, Frames, Labels]:
    """Pictures to learn from and to judge by, each with labels (N, classes), parted as `heal` parts them."""
    with table.open(newline="") as file:
        rows = [(row["file"], classes.index(row["label"])) for row in csv.DictReader(file)]
    frames = frames_from_files([table.parent / name for name, _ in rows], table.parent)
    truth = np.eye(len(classes), dtype=np.float32)[[label for _, label in rows]]
    learned, held = held_out(len(rows), min(200, len(rows) // 10), 0)
    return frames.chosen(learned), truth[learned], frames.chosen(held), truth[held]


def with_random_weights(graph: Graph) -> Graph:
    """The same operations with kernels drawn anew (He et al. 2015) and biases of zero."""
    random = np.random.default_rng(0)
    fresh: dict[tuple[int, int], Any] = {}
    for op in graph.ops:
        if op.name not in WEIGHTED:
            continue
        kernel = graph.tensors[op.inputs[1]]
        fan = int(np.prod(kernel.shape[1:3] if op.name == "DEPTHWISE_CONV_2D" else kernel.shape[1:]))
        fresh[op.index, 1] = (random.standard_normal(kernel.shape) * np.sqrt(2 / fan)).astype(np.float32)
        bias = 3 if op.name == "TRANSPOSE_CONV" else 2
        if len(op.inputs) > bias and op.inputs[bias] >= 0:
            fresh[op.index, bias] = np.zeros(graph.tensors[op.inputs[bias]].shape, np.float32)
    return with_operands(graph, fresh)


if __name__ == "__main__":
    main()
