"""A small real bundle: the shape classifier, two pictures and what it says to them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from relens.bundle import (
    Accuracy,
    Bundle,
    GoldenFrame,
    Lineage,
    Manifest,
    Needs,
    Tolerance,
    open_bundle,
    sampled,
    write_bundle,
)
from relens.engines import load_engine
from relens.graph import Graph, with_signature
from relens.spec import Goals, InputSpec, OutputSpec
from relens.vision import VisionModel, frames_from


@dataclass(frozen=True)
class Content:
    """What `write_bundle` takes."""

    draft: Manifest
    model: Graph
    labels: tuple[str, ...]
    golden: tuple[GoldenFrame, ...]

    def write(self, path: Path) -> Manifest:
        return write_bundle(path, self.draft, self.model, self.labels, self.golden)

    def but(self, **changes: Any) -> "Content":
        return replace(self, **changes)


@pytest.fixture(scope="session")
def content(shapes: Any) -> Content:
    """A model, its labels, two golden frames, and a manifest in which every key has a value."""
    model = with_signature(Graph.read(shapes.graph))
    spec, output = InputSpec(size=(32, 32), scaling="0..1"), OutputSpec(decoder="softmax")
    vision = VisionModel(load_engine(shapes.graph), spec, output)
    golden = tuple(
        GoldenFrame(f"{number:03d}", frame, sampled(vision.infer(vision.prepare(frame))))
        for number, frame in enumerate(frames_from(shapes.calibration, 2))
    )
    draft = Manifest(
        name="Formen, 形",
        task="classification",
        scheme="float32",
        input=spec,
        output=output.model_dump(mode="json"),
        needs=Needs(engine="litert", threads=1, relens="0.1.0"),
        goals=Goals(max_latency_ms=40, max_size_mb=1.5, max_memory_mb=200),
        tolerance=Tolerance(relative_rms=1e-3),
        accuracy=Accuracy(
            metric="top-1", value=0.95, low=0.9, high=0.99, n=120, drop=0.0, drop_low=-1e-05, drop_high=0.01
        ),
        lineage=Lineage(
            source="shapes.keras",
            source_kind="Keras 3",
            source_sha256="1" * 64,
            graph_sha256=model.sha256,
            recipe=("import", "quantize float32"),
            calibration_sha256="2" * 64,
            tools={"ai-edge-litert": "2.3.0", "tensorflow-cpu": "2.21.0"},
        ),
        files=(),
    )
    return Content(draft, model, tuple(shapes.labels.read_text().split()), golden)


@pytest.fixture(scope="session")
def bundle_file(content: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, written."""
    path = tmp_path_factory.mktemp("bundle") / "shapes.relens"
    content.write(path)
    return path


@pytest.fixture(scope="session")
def bundle(bundle_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The bundle, opened."""
    return open_bundle(bundle_file, tmp_path_factory.mktemp("opened"))
