import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from relens.graph import Graph
from relens.graph.edit import with_operands
from relens.spec import InputSpec
from relens.vision import Frames, frames_from, frames_from_files
from relens.vision.preprocess import Preprocessor


@dataclass(frozen=True)
class Lesson:
    """The shape classifier with pictures to learn from and pictures to be asked about."""

    graph: Graph
    frames: Frames
    tests: Frames
    truth: NDArray[np.int64]
    spec: InputSpec

    @cached_property
    def samples(self) -> list[dict[str, np.ndarray]]:
        prepare = Preprocessor(self.spec, self.graph.inputs[0])
        return [{self.graph.inputs[0].name: prepare(frame).tensor.copy()} for frame in self.frames.spread(32)]

    def answers(self, graph: Graph) -> np.ndarray:
        """A graph's first output over the test pictures, in real numbers, by LiteRT."""
        runtime = Interpreter(model_content=graph.content)
        runtime.allocate_tensors()
        prepare, output = Preprocessor(self.spec, graph.inputs[0]), graph.outputs[0]
        found = []
        for frame in self.tests:
            runtime.set_tensor(graph.inputs[0].index, prepare(frame).tensor)
            runtime.invoke()
            found.append(runtime.get_tensor(output.index)[0].astype(np.float32))
        return (np.array(found) - output.zero_point) * (output.scale or 1.0)

    def top1(self, graph: Graph) -> float:
        return float((self.answers(graph).argmax(1) == self.truth).mean())


@pytest.fixture(scope="session")
def lesson(shapes) -> Lesson:
    rows = [row for row in csv.reader(shapes.validation.read_text().splitlines()) if Path(row[0]).suffix]
    labels = shapes.labels.read_text().split()
    files = [next(shapes.folder.rglob(Path(name).name)) for name, _ in rows]
    truth = np.array([labels.index(label) for _, label in rows])
    return Lesson(
        Graph.read(shapes.graph),
        frames_from(shapes.train),
        frames_from_files(files, shapes.folder),
        truth,
        InputSpec(),
    )


@pytest.fixture(scope="session")
def interrupted(lesson: Lesson, interrupted_graph: Path) -> Lesson:
    """The lesson with another classifier: operations in its middle stay as they are while it trains."""
    return replace(lesson, graph=Graph.read(interrupted_graph))


@pytest.fixture(scope="session")
def with_noise() -> Callable[[Graph, float], Graph]:
    """A graph with noise on its convolutions, as a share of each kernel's spread."""

    def spoil(graph: Graph, share: float) -> Graph:
        random = np.random.default_rng(0)

        def noisy(kernel: np.ndarray) -> np.ndarray:
            return (kernel + share * kernel.std() * random.standard_normal(kernel.shape)).astype(np.float32)

        convolutions = [op for op in graph.ops if "CONV" in op.name]
        return with_operands(
            graph, {(op.index, 1): noisy(graph.constant(graph.tensors[op.inputs[1]])) for op in convolutions}
        )

    return spoil


@pytest.fixture(scope="session")
def spoilt(lesson: Lesson, with_noise: Callable[[Graph, float], Graph]) -> Graph:
    """The classifier with noise on its convolutions."""
    return with_noise(lesson.graph, 0.5)
