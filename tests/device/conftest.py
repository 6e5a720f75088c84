"""A camera and an engine that need nothing from outside, and bundles around real and made-up models."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from relens.bundle.bundle import Bundle, GoldenFrame, sampled
from relens.bundle.manifest import Lineage, Manifest, Needs, Tolerance
from relens.engines import EngineReport, load_engine
from relens.graph import Tensor
from relens.spec import Goals, InputSpec, OutputSpec
from relens.vision import Frame, VisionModel, frames_from

SIZE = 16
COUNT = 20


class BrightnessEngine:
    """A `relens.engines.Engine` of two classes, dark and light; takes as long, and fails as often, as it is told."""

    def __init__(self, infer_s: float = 0.0) -> None:
        shape = (1, SIZE, SIZE, 3)
        self.inputs = (Tensor(0, "image", "image", shape, shape, "float32"),)
        self.outputs = (Tensor(1, "scores", "scores", (1, 2), (1, 2), "float32"),)
        self.report = EngineReport("brightness", "1", "none", 0, (), 1, "float32")
        self.infer_s = infer_s
        self.spoil: Callable[[np.ndarray], np.ndarray] = lambda scores: scores

    def run(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        time.sleep(self.infer_s)
        light = inputs["image"].mean()
        return {"scores": self.spoil(np.array([[1 - light, light]], np.float32))}


def brightness(frame: Frame) -> int:
    """Which of the clip's frames this is."""
    return round(float(frame.mean()) / 10)


@pytest.fixture
def make_model() -> Callable[..., VisionModel]:
    """A model around a `BrightnessEngine`; takes its arguments."""
    return lambda **options: VisionModel(BrightnessEngine(**options), InputSpec(), OutputSpec())


@pytest.fixture(scope="session")
def clip(write_clip: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty frames at 30 a second; frame k has brightness 10 k, so that each can be told."""
    steps = (np.full((48, 64, 3), 10 * k, np.uint8) for k in range(COUNT))
    return write_clip(tmp_path_factory.mktemp("clip") / "steps.avi", steps)


@pytest.fixture(scope="session")
def write_clip() -> Callable[[Path, Iterable[Frame]], Path]:
    """Write frames (48, 64, 3) as a clip of 30 a second that loses nothing."""

    def write(path: Path, frames: Iterable[Frame]) -> Path:
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=30)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
            container.mux(stream.encode())
        return path

    return write


@pytest.fixture(scope="session")
def which() -> Callable[[Frame], int]:
    """Tells a frame's number in `clip`."""
    return brightness


@pytest.fixture
def no_threads_left() -> Iterator[None]:
    """Whatever the test starts has to end."""
    before = set(threading.enumerate())
    yield
    left = [thread.name for thread in threading.enumerate() if thread not in before]
    assert not left, left


@pytest.fixture(scope="session")
def make_manifest() -> Callable[..., Manifest]:
    """A manifest: name, `[input]`, `[output]`, other values."""
    return _manifest


@pytest.fixture(scope="session")
def make_golden() -> Callable[..., tuple[GoldenFrame, ...]]:
    """Golden frames with a model's own answers: the model, pictures by name."""
    return golden_frames


def _manifest(name: str, spec: InputSpec, output: OutputSpec, **values: Any) -> Manifest:
    draft = {
        "name": name,
        "task": "detection" if output.decoder == "yolo" else "classification",
        "scheme": "float32",
        "input": spec,
        "output": output.model_dump(mode="json"),
        "needs": Needs(engine="litert", threads=1, relens="0.1.0"),
        "goals": Goals(),
        "tolerance": Tolerance(relative_rms=1e-3),
        "lineage": Lineage(
            source="m", source_kind="keras", source_sha256="0" * 64, graph_sha256="0" * 64, recipe=(), tools={}
        ),
        "files": (),
    }
    return Manifest(**(draft | values))


def make_bundle(
    model: Path, spec: InputSpec, output: OutputSpec, golden: tuple[GoldenFrame, ...], **manifest: Any
) -> Bundle:
    whole = _manifest(model.stem, spec, output, **manifest)
    return Bundle(model.with_suffix(".relens"), "ab" * 32, whole, model, ("bottle",) * 40, golden)


def golden_frames(model: VisionModel, pictures: dict[str, Frame]) -> tuple[GoldenFrame, ...]:
    return tuple(
        GoldenFrame(name, frame, sampled(model.infer(model.prepare(frame)))) for name, frame in pictures.items()
    )


@pytest.fixture
def made_up(make_model: Callable[..., VisionModel], tmp_path: Path) -> Callable[..., tuple[Bundle, VisionModel]]:
    """A bundle around a `BrightnessEngine`, with two golden frames, and its model; takes manifest values."""

    def make(**manifest: Any) -> tuple[Bundle, VisionModel]:
        model = make_model()
        pictures = {name: np.full((20, 30, 3), level, np.uint8) for name, level in (("dark", 30), ("light", 200))}
        golden = golden_frames(model, pictures)
        return make_bundle(tmp_path / "m.tflite", InputSpec(), OutputSpec(), golden, **manifest), model

    return make


@pytest.fixture(scope="session")
def flowers_bundle(flowers_graph: Path, shared_data: Path) -> Bundle:
    """The flower classifier with five golden pictures."""
    spec, output = InputSpec(scaling="-1..1"), OutputSpec()
    model = VisionModel(load_engine(flowers_graph), spec, output)
    frames = frames_from(shared_data / "flowers/test", 5)
    golden = golden_frames(model, dict(zip(frames.names, frames, strict=True)))
    return make_bundle(flowers_graph, spec, output, golden)


@pytest.fixture(scope="session")
def yolox_bundle(yolox_graph: Path, shared_clip: Path) -> Bundle:
    """YOLOX-nano with two golden frames; class 39 is a bottle."""
    spec = InputSpec(resize="letterbox-top-left", colour="bgr", scaling="0..255")
    output = OutputSpec(decoder="yolo")
    model = VisionModel(load_engine(yolox_graph), spec, output)
    frames = frames_from(shared_clip, 2)
    golden = golden_frames(model, dict(zip(frames.names, frames, strict=True)))
    return make_bundle(yolox_graph, spec, output, golden)


@pytest.fixture(scope="session")
def shared_clip(shared_data: Path) -> Path:
    """Bottles, 640 x 360, 1189 frames."""
    return shared_data / "video/bottle-detection.mp4"


CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A real Chromium (`playwright.sync_api.Browser`)."""
    from playwright.sync_api import sync_playwright

    if not CHROMIUM.exists():
        assert "CI" not in os.environ, f"{CHROMIUM} has to be there in CI"
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS.split())
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Wait until something holds, for at most so many seconds."""
    return _until


def _until(holds: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
