"""The ten functions: adapted, compiled, and run for a few frames against a stand-in that answers the same each time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from relens.legacy.source import adapt, language, needs

FUNCTIONS = Path(__file__).parents[1] / "functions"
MAINS = sorted([*FUNCTIONS.glob("*/lambda_function.py"), *FUNCTIONS.glob("*/greengrassHelloWorld.py")])
PYTHON2 = {"face_fifo", "flower_sorter", "people_counter", "face_cropper"}

# Threads do not start: without somebody who reads the pipe a display would wait for ever.
STAND_IN = """
import json, os, sys, threading, types
from pathlib import Path
import numpy as np
from relens.legacy.source import adapt, install_finder, language, old_names
BOXES = [{"label": n, "prob": p, "xmin": 30.5, "ymin": 40.5, "xmax": 90.5, "ymax": 99.5}
         for n, p in ((1, .9), (15, .8), (15, .1))]
CLASSES = [{"label": n, "prob": p} for n, p in ((1, .6), (3, .3), (0, .1))]
published, frames = [], []
class Stop(BaseException):
    pass
def getLastFrame():
    frames.append(1)
    if len(frames) > 5:
        raise Stop
    picture = np.full((480, 640, 3), 40, np.uint8)
    picture[100:200, 50 * len(frames): 50 * len(frames) + 80] = 200
    return True, picture
class Model:
    def __init__(self, path, config, runtime=0):
        pass
    def doInference(self, frame):
        return {"prob": np.array([[.1, .6, .1, .1, .1]], np.float32)}
    def parseResult(self, kind, raw):
        return {kind: BOXES if kind == "ssd" else CLASSES}
class Client:
    def publish(self, topic, payload):
        published.append((topic, payload))
class Stream:
    isActive = False
    def start(self):
        self.isActive = True
keys = types.SimpleNamespace(access_key="", secret_key="", token="")
stand_ins = {
    "awscam": dict(getLastFrame=getLastFrame, Model=Model, Runtime=types.SimpleNamespace(DLDT=0)),
    "mo": dict(optimize=lambda *a, **k: (0, "/opt/awscam/artifacts/model.xml")),
    "greengrasssdk": dict(client=lambda name: Client()),
    "DeepLens_Kinesis_Video": dict(createProducer=lambda *a: types.SimpleNamespace(createStream=lambda *a: Stream())),
    "botocore": {}, "botocore.session": dict(Session=lambda: types.SimpleNamespace(get_credentials=lambda: keys)),
    "boto3": dict(client=lambda *a, **k: None),
}
for name, values in stand_ins.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(values)
os.environ["AWS_IOT_THING_NAME"] = "deeplens_test"
threading.Thread.start = lambda self: None
old_names()
told = {}
for main in map(Path, sys.argv[1:]):
    published.clear(), frames.clear()
    os.chdir(main.parent)
    python = 2 if language(main) == 2 else None
    install_finder(main.parent, python=python)
    try:
        code = adapt(main.read_bytes(), str(main), python=python).code
        exec(code, {"__name__": "lambda_function", "__file__": str(main)})
    except Stop:
        pass
    told[main.parent.name] = list(published)
    sys.meta_path.pop(0)
sys.stderr.write(json.dumps(told))
"""


@pytest.fixture(scope="module")
def published() -> dict[str, list[list[str]]]:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3] / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    told = subprocess.run(
        [sys.executable, "-c", STAND_IN, *map(str, MAINS)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=60,
    )
    assert told.returncode == 0, told.stderr
    return dict(json.loads(told.stderr.splitlines()[-1]))


@pytest.mark.parametrize("path", sorted(FUNCTIONS.rglob("*.py")), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_file_adapts_and_compiles(path: Path) -> None:
    code = adapt(path.read_bytes(), str(path)).code
    assert code.co_filename == str(path)


def test_there_are_ten_and_the_page_tells_of_each() -> None:
    rows = [line.split("|") for line in (FUNCTIONS / "README.md").read_text(encoding="utf-8").splitlines()]
    told = {row[1].strip(): row[2].strip()[0] for row in rows if len(row) > 5 and "_" in row[1]}
    assert told == {main.parent.name: str(language(main)) for main in MAINS}
    assert len(told) == 10
    assert {name for name, number in told.items() if number == "2"} == PYTHON2


@pytest.mark.parametrize("main", MAINS, ids=lambda path: path.parent.name)
def test_what_a_function_needs_lies_beside_it_or_is_known(main: Path) -> None:
    found = needs(main.read_bytes(), str(main))
    assert "awscam" in found.modules
    assert all((main.parent / name).exists() for name in found.files)
    assert len(found.models) == 1
    assert found.topics[0] == "$aws/things/{}/infer"


@pytest.mark.parametrize("main", MAINS, ids=lambda path: path.parent.name)
def test_a_function_runs_until_it_is_stopped(main: Path, published: dict[str, Any]) -> None:
    told = published[main.parent.name]
    assert {topic for topic, _ in told} <= {
        f"$aws/things/deeplens_test/{name}" for name in ("infer", "infer/all", "speed")
    }
    assert not [payload for _, payload in told if "Error" in payload or "failed" in payload]
    assert len([payload for _, payload in told if payload.startswith("{")]) >= 3


def test_the_results_are_those_of_the_camera(published: dict[str, Any]) -> None:
    """In Python 2: two flowers of five (5 / 2), boxes of whole numbers."""
    last = {name: json.loads(told[-1][1]) for name, told in published.items()}
    assert last["face_fifo"] == {"face": 0.9}
    assert last["flower_sorter"] == {"dandelion": 0.6, "sunflowers": 0.3}
    assert last["object_finder"] == {"aeroplane": 0.9, "person": 0.8}
    assert last["person_gate"] == {"state": "person", "prob": 0.6}
    assert last["flower_gate"] == {"dandelion": 0.6, "sunflowers": 0.3}
    assert last["raw_scores"] == {"layer": "prob", "label": "dandelion", "prob": pytest.approx(0.6), "frame": 5}
    assert (last["people_counter"]["people"], last["people_counter"]["changed"]) == (1, False)
    assert last["flower_retry"] == {"dandelion": 0.6, "sunflowers": 0.3, "daisy": 0.1}
    assert last["face_cropper"]["faces"] == 1
    assert last["face_cropper"]["bytes"] > 500
    assert all(isinstance(number, int) for box in last["face_cropper"]["moved"] for point in box for number in point)
    assert last["face_cropper"]["moved"]
    assert (last["person_stream"]["persons"], last["person_stream"]["streaming"]) == (1, True)
