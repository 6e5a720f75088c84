"""The paths of a DeepLens lead to the run's own folders, whichever way they are used."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

HEAD = """
import glob, io, json, os, pickle, shutil, tempfile, time, zipfile
import awscam, cv2, greengrasssdk
import numpy as np
client = greengrasssdk.client('iot-data')
def say(*values):
    client.publish(topic='said', payload=json.dumps(values))
"""


def said(summary: Any) -> list[Any]:
    return [json.loads(message["payload"]) for message in reversed(summary.messages)]


def test_tmp_is_a_folder_of_the_runs_own(run_text: Callable[..., Any], tmp_path: Path) -> None:
    text = (
        HEAD
        + """
with open('/tmp/state.json', 'w') as file:
    json.dump({'a': 1}, file)
with io.open('/tmp/state.json') as file:
    say(json.load(file))
os.mkdir('/tmp/frames')
os.makedirs('/tmp/deep/er', exist_ok=True)
ret, frame = awscam.getLastFrame()
say(cv2.imwrite('/tmp/frames/1.png', frame), bool((cv2.imread('/tmp/frames/1.png') == frame).all()))
np.save('/tmp/frames/1.npy', frame[:2])
say(np.load('/tmp/frames/1.npy').shape[0])
with zipfile.ZipFile('/tmp/a.zip', 'w') as archive:
    archive.write('/tmp/state.json', 'state.json')
with zipfile.ZipFile('/tmp/a.zip') as archive:
    archive.extractall('/tmp/unpacked')
shutil.copy('/tmp/unpacked/state.json', '/tmp/deep/er/copy.json')
shutil.move('/tmp/deep/er/copy.json', '/tmp/deep/moved.json')
os.rename('/tmp/deep/moved.json', '/tmp/renamed.json')
with open('/tmp/data.pkl', 'wb') as file:
    pickle.dump([1], file)
say(sorted(os.listdir('/tmp')), os.path.exists('/tmp/renamed.json'), os.path.isfile('/tmp/data.pkl'))
os.remove('/tmp/data.pkl')
shutil.rmtree('/tmp/deep')
say(os.path.exists('/tmp/deep'), os.path.getsize('/tmp/state.json'), sorted(glob.glob('/tmp/*.json')))
say(tempfile.gettempdir() != '/tmp', os.environ['HOME'] == tempfile.gettempdir())
"""
    )
    answers = said(run_text(text, folder=tmp_path / "run"))
    assert answers[:3] == [[{"a": 1}], [True, True], [2]]
    assert answers[3] == [
        ["a.zip", "data.pkl", "deep", "frames", "renamed.json", "state.json", "unpacked"], True, True,
    ]  # fmt: skip
    assert answers[4] == [False, 8, ["/tmp/renamed.json", "/tmp/state.json"]]
    assert answers[5] == [True, True]
    there = sorted(path.name for path in (tmp_path / "run/tmp").iterdir())
    assert there == ["a.zip", "frames", "renamed.json", "state.json", "unpacked"]
    assert not Path("/tmp/renamed.json").exists()


def test_the_models_folder_is_where_the_artifacts_were_and_cannot_be_changed(
    run_text: Callable[..., Any], models: Path
) -> None:
    (models / "notes.txt").write_text("mine")
    text = (
        HEAD
        + """
say(sorted(os.listdir('/opt/awscam/artifacts')))
say(open('/opt/awscam/artifacts/notes.txt').read())
say([os.path.isfile('/opt/awscam/artifacts/' + name) for name in ('flowers.xml', 'nothing.xml')])
try:
    open('/opt/awscam/artifacts/new.txt', 'w')
except IOError as error:
    say(error.errno)
awscam.getLastFrame()
"""
    )
    answers = said(run_text(text, models=models))
    assert answers == [[["flowers.relens", "notes.txt", "object-detection.relens"]], ["mine"], [[True, False]], [13]]
    assert not (models / "new.txt").exists()


def test_the_functions_own_folder_is_where_it_works(run_text: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "function").mkdir()
    (tmp_path / "function/labels.txt").write_text("daisy\nrose\n")
    text = (
        HEAD
        + """
with open('labels.txt', 'r') as file:
    say([line.strip() for line in file])
say(os.path.dirname(os.path.abspath(__file__)) == os.getcwd(), __name__, os.environ['LAMBDA_TASK_ROOT'] == os.getcwd())
awscam.getLastFrame()
"""
    )
    assert said(run_text(text)) == [[["daisy", "rose"]], [True, "lambda_function", True]]


def test_only_what_a_function_needs_of_the_environment_reaches_it(
    run_text: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    text = (
        HEAD
        + """
say(os.environ.get('AWS_SECRET_ACCESS_KEY'), os.environ['BUCKET'], os.environ['AWS_REGION'])
awscam.getLastFrame()
"""
    )
    assert said(run_text(text, environment={"BUCKET": "yard"})) == [["none", "yard", "us-east-1"]]
