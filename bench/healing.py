"""What healing costs beside a bare Keras fit of the same student, and whether its memory grows with the pictures.

The bare fit has everything ready: pictures as tensors in memory, the teacher's logits computed before the clock starts;
it changes no picture, judges nothing and keeps nothing. Healing reads, augments and prepares each picture, asks the
teacher, judges each epoch. Both take turns in one process. Memory is the peak of a fresh process each.

    python bench/healing.py relens.toml --epochs 3 --repeats 3
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import relens
from relens.graph import Graph
from relens.measure.host import host_fingerprint
from relens.measure.process import process_memory
from relens.pipeline.recipe import training_frames
from relens.spec import Project

MORE = 10


def main() -> None:
    """Parse, measure, print."""
    options = arguments()
    project = relens.load(options.project)
    if options.memory_of:
        print(memory_of(project, options.memory_of, options.width))
        return
    host = host_fingerprint()
    print(f"{host['processor']}, {host['cores']} cores, load {host['load_average'][0]}")
    cost(project, options)
    memory(options, len(training_frames(project)[0]))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path, help="relens.toml, with pictures to train on")
    parser.add_argument("--width", type=float, default=0.75, help="the student keeps this share of the channels")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-of", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def pair(project: Project, width: float) -> tuple[Graph, Graph]:
    """The teacher and its student."""
    from relens.compress.distil import derived

    teacher = relens.import_model(project.model.source).graph
    return teacher, derived(teacher, training_frames(project)[0].spread(256), project.input, width=width)


def cost(project: Project, options: argparse.Namespace) -> None:
    """Seconds of both, in turns."""
    from relens.compress.heal import HealSettings, Pictures, heal

    teacher, student = pair(project, options.width)
    frames, held = training_frames(project)
    settings = HealSettings(epochs=options.epochs, patience=options.epochs)
    bare = Bare(teacher, student, project, settings)
    healed, plain = [], []
    for _ in range(options.repeats):
        start = time.perf_counter()
        heal(teacher, student, Pictures(frames, project.input, held=held), settings)
        healed.append(time.perf_counter() - start)
        plain.append(bare())
    ratios = [mine / theirs for mine, theirs in zip(healed, plain, strict=True)]
    print(f"{len(frames)} pictures, {options.epochs} epochs, {options.repeats} times each, in turns, seconds:")
    for name, found in (("heal", healed), ("bare Keras fit", plain), ("ratio", ratios)):
        print(f"  {name:15} {statistics.median(found):7.2f} [{min(found):.2f}, {max(found):.2f}]")


class Bare:
    """The least that training this student can cost."""

    def __init__(self, teacher: Graph, student: Graph, project: Project, settings: Any) -> None:
        import numpy as np

        from relens.compress.activations import answers, prepared
        from relens.compress.heal.targets import targets
        from relens.graph.edit import with_outputs

        frames = training_frames(project)[0]
        seen, self.student = (with_outputs(one, [targets(one, features=False)[0].tensor]) for one in (teacher, student))
        pictures = prepared(seen, frames, project.input)
        self.x, (self.y, *_) = np.concatenate(pictures), answers(seen, pictures)
        self.settings, self.input, self.frames = settings, project.input, frames

    def __call__(self) -> float:
        """Seconds of one fit, the student lifted anew."""
        import keras
        from keras import ops
        from plain import Plain

        from relens.compress.heal.compiling import compiles
        from relens.compress.heal.normal import normalized
        from relens.compress.heal.pairing import CleanBatches

        tensor, heat = self.student.inputs[0], self.settings.temperature

        def loss(theirs: Any, mine: Any) -> Any:
            gap = ops.log_softmax(theirs / heat) - ops.log_softmax(mine / heat)
            return heat**2 * ops.mean(ops.sum(ops.softmax(theirs / heat) * gap, axis=-1))

        start = time.perf_counter()
        lifted = normalized(self.student, CleanBatches(self.frames, self.input, tensor, self.settings.batch))
        model = Plain(lifted.model, self.student.outputs[0].name, loss)
        model.compile(keras.optimizers.Adam(self.settings.learning_rate), jit_compile=compiles())
        x = {tensor.name: self.x}
        model.fit(x, self.y, batch_size=self.settings.batch, epochs=self.settings.epochs, verbose=0)
        return time.perf_counter() - start


def memory(options: argparse.Namespace, most: int) -> None:
    """The peak with few pictures and with ten times as many."""
    found = {}
    for count in (most // MORE, most):
        command = [
            sys.executable,
            __file__,
            str(options.project),
            "--width",
            str(options.width),
            "--memory-of",
            str(count),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[count] = float(done.stdout.splitlines()[-1])
    few, many = found
    print(
        f"peak MB: {few} pictures {found[few]:.0f}, {many} pictures {found[many]:.0f}: x{found[many] / found[few]:.2f}"
    )


def memory_of(project: Project, count: int, width: float) -> float:
    """Peak MB of this process after healing on so many pictures."""
    from relens.compress.heal import HealSettings, Pictures, heal

    teacher, student = pair(project, width)
    frames, held = training_frames(project)
    heal(teacher, student, Pictures(frames.spread(count), project.input, held=held), HealSettings(epochs=2, patience=2))
    return process_memory().peak_mb


if __name__ == "__main__":
    main()
