"""Real bundles in a folder of models, and a way to run a function that stands in a test as text."""

import os
import shutil
import socket
import subprocess
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

MOSQUITTO = Path("/usr/sbin/mosquitto")
COCO = "coco_cc_subset/images"


@pytest.fixture(scope="session")
def bundles(
    shared_data: Path, flowers_graph: Path, yolox_graph: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with `flowers.relens` and `object-detection.relens`: not to be changed."""
    import json

    from relens.pipeline.package import package
    from relens.spec import InputSpec, OutputSpec

    folder = tmp_path_factory.mktemp("bundles")
    shutil.copy(flowers_graph, folder / "flowers.tflite")
    package(
        folder / "flowers.tflite",
        folder / "flowers.relens",
        labels=tuple((shared_data / "flowers/classes.txt").read_text().split()),
        input_spec=InputSpec.model_validate({"scaling": "-1..1"}),
    )
    (folder / "flowers.tflite").unlink()
    labels = [
        one["name"] for one in json.loads((shared_data / "coco_cc_subset/instances.json").read_text())["categories"]
    ]
    package(
        yolox_graph,
        folder / "object-detection.relens",
        labels=tuple(labels),
        input_spec=InputSpec.model_validate({"scaling": "0..255", "colour": "bgr", "resize": "letterbox-top-left"}),
        output_spec=OutputSpec(decoder="yolo"),
    )
    return folder


@pytest.fixture
def models(bundles: Path, tmp_path: Path) -> Path:
    """A copy of the bundles, to be changed."""
    return Path(shutil.copytree(bundles, tmp_path / "models"))


@pytest.fixture(scope="session")
def pictures(shared_data: Path) -> Path:
    return shared_data / COCO


@pytest.fixture
def run_text(bundles: Path, pictures: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run a function that is given as text, on pictures, as fast as it takes them."""
    from relens import legacy

    def run(text: str, **options: Any) -> Any:
        folder = tmp_path / "function"
        folder.mkdir(exist_ok=True)
        file = folder / "lambda_function.py"
        file.write_text(textwrap.dedent(text))
        given = {
            "models": bundles,
            "camera": str(pictures),
            "live": False,
            "real_time": False,
            "on_note": lambda text: None,
        }
        return legacy.run(options.pop("function", file), **{**given, **options})

    return run


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """The port of a real mosquitto, open to all, without TLS."""
    if not MOSQUITTO.exists():
        assert "CI" not in os.environ, f"{MOSQUITTO} has to be there in CI"
        pytest.skip(f"{MOSQUITTO} is not installed")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    process = subprocess.Popen([MOSQUITTO, "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end_s = time.monotonic() + 20
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < end_s and process.poll() is None
            time.sleep(0.02)
    yield port
    process.kill()
    process.wait()
