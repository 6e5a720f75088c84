"""Small bundles, each with another name and so another id."""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from relens.bundle import write_bundle
from relens.device.agent import Patience, Store, Supervisor, install
from relens.engines import load_engine
from relens.graph import Graph, with_signature
from relens.spec import CameraSettings, InputSpec, OutputSpec, camera_settings
from relens.vision import Frame, VisionModel, frames_from

Write = Callable[..., Path]
QUICK = Patience(rest_s=0.1)


@pytest.fixture
def good_and_new(write, tmp_path) -> tuple[Store, str, str]:
    """A camera with a confirmed bundle and another one on trial."""
    store = Store(tmp_path / "state")
    good = install(store, write("good"))
    store.confirm(good)
    return store, good, install(store, write("bad"))


@pytest.fixture(scope="session")
def write(shapes, write_around, tmp_path_factory) -> Write:
    """Write a bundle around the shape classifier, by name, as `write_around` does."""
    folder, frames = tmp_path_factory.mktemp("bundles"), list(frames_from(shapes.calibration, 2))
    labels = tuple(shapes.labels.read_text().split())

    def make(name: str, off: float = 0.0, **values) -> Path:
        return write_around(shapes.graph, labels, frames, folder / f"{name}.relens", off, **values)

    return make


@pytest.fixture(scope="session")
def write_around(make_manifest, make_golden) -> Write:
    """Write a bundle around a classifier: its file, labels, golden frames, the bundle's path. `values` are the
    manifest's, `off` spoils what the golden frames expect.
    """

    def make(
        file: Path, labels: Sequence[str], frames: Sequence[Frame], path: Path, off: float = 0.0, **values
    ) -> Path:
        spec, output = InputSpec(), OutputSpec()
        named = {f"{place:03d}": frame for place, frame in enumerate(frames)}
        golden = [
            replace(one, expected={key: value + off for key, value in one.expected.items()})
            for one in make_golden(VisionModel(load_engine(file), spec, output), named)
        ]
        manifest = make_manifest(path.stem, spec, output, **values)
        write_bundle(path, manifest, with_signature(Graph.read(file)), labels, golden)
        return path

    return make


@pytest.fixture(scope="session")
def running() -> Callable[..., AbstractContextManager[list[str]]]:
    """An agent in a thread, and what it says: store, camera or `CameraSettings`, `Patience`, whether clips play in
    real time, seconds until a bundle is confirmed.
    """
    return _running


@pytest.fixture(scope="session")
def bring() -> Callable[[Store, Path], None]:
    """Put a bundle into the inbox, whole at once."""

    def put(store: Store, bundle: Path) -> None:
        shutil.copy(bundle, store.inbox.folder / ".coming")
        (store.inbox.folder / ".coming").rename(store.inbox.folder / bundle.name)

    return put


@pytest.fixture(scope="session")
def workers() -> Callable[..., list[int]]:
    """The processes that run a bundle for an agent, by its process id, else for us."""
    return _workers


@contextmanager
def _running(
    store: Store,
    camera: CameraSettings | Path | str,
    patience: Patience = QUICK,
    real_time: bool = True,
    confirm_s: float = 1.0,
) -> Iterator[list[str]]:
    said: list[str] = []
    known = isinstance(camera, CameraSettings)
    settings = camera if known else camera_settings(source=str(camera), page=False, confirm_after_s=confirm_s)
    agent = Supervisor(store, settings, real_time=real_time, patience=patience, say=said.append)
    thread = threading.Thread(target=agent.run)
    thread.start()
    try:
        yield said
    finally:
        agent.stop()
        thread.join(30)
        assert not thread.is_alive()


def _workers(agent: int | None = None) -> list[int]:
    found = []
    for children in Path(f"/proc/{agent or os.getpid()}/task").glob("*/children"):
        for child in children.read_text().split():
            command = Path(f"/proc/{child}/cmdline").read_bytes()
            found += [int(child)] if b"relens.device.agent.worker" in command else []
    return found
