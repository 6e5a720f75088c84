"""Small bundles around the shape classifier, each with another name and so another id."""

from collections.abc import Callable
from pathlib import Path

import pytest

from relens.bundle import GoldenFrame, Lineage, Manifest, Needs, Tolerance, sampled, write_bundle
from relens.device.agent import Store, install
from relens.engines import load_engine
from relens.graph import Graph, with_signature
from relens.spec import Goals, InputSpec, OutputSpec
from relens.vision import VisionModel, frames_from

Write = Callable[..., Path]


@pytest.fixture
def good_and_new(write, tmp_path) -> tuple[Store, str, str]:
    """A camera with a confirmed bundle and another one on trial."""
    store = Store(tmp_path / "state")
    good = install(store, write("good"))
    store.confirm(good)
    return store, good, install(store, write("bad"))


@pytest.fixture(scope="session")
def write(shapes, tmp_path_factory) -> Write:
    """Write a bundle, by name; `values` are the manifest's, `off` spoils what the golden frames expect."""
    folder = tmp_path_factory.mktemp("bundles")
    model, spec, output = with_signature(Graph.read(shapes.graph)), InputSpec(), OutputSpec()
    vision = VisionModel(load_engine(shapes.graph), spec, output)
    frames = list(frames_from(shapes.calibration, 2))
    answers = [sampled(vision.infer(vision.prepare(frame))) for frame in frames]

    def make(name: str, off: float = 0.0, **values) -> Path:
        golden = [
            GoldenFrame(f"{place:03d}", frame, {key: value + off for key, value in answer.items()})
            for place, (frame, answer) in enumerate(zip(frames, answers, strict=True))
        ]
        draft = {
            "name": name,
            "task": "classification",
            "scheme": "float32",
            "input": spec,
            "output": output.model_dump(mode="json"),
            "needs": Needs(engine="litert", threads=1, relens="0.1.0"),
            "goals": Goals(),
            "tolerance": Tolerance(relative_rms=1e-3),
            "lineage": Lineage(
                source="s", source_kind="Keras", source_sha256="1" * 64, graph_sha256=model.sha256, recipe=(), tools={}
            ),
            "files": (),
        }
        path = folder / f"{name}.relens"
        write_bundle(path, Manifest(**(draft | values)), model, shapes.labels.read_text().split(), golden)
        return path

    return make
