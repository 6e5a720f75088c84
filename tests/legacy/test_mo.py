"""Every way in which public functions call the model optimizer."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relens.errors import LegacyTrouble

HEAD = """
import json
import awscam
import greengrasssdk
import mo
client = greengrasssdk.client('iot-data')
def say(*values):
    client.publish(topic='said', payload=json.dumps(values))
"""
PATH = "/opt/awscam/artifacts/flowers.xml"

FORMS = """
say(*mo.optimize('flowers', 128, 128))
say(*mo.optimize('flowers', 128, 128, 'mx'))
say(*mo.optimize('flowers', 128, 128, 'MXNet'))
say(*mo.optimize('flowers', 128, 128, 'tf'))
say(*mo.optimize('flowers', 128, 128, platform='tf'))
say(*mo.optimize('flowers', 128, 128, aux_inputs={'--epoch': 9}))
say(*mo.optimize('flowers', 128, 128, aux_inputs={'--epoch': 2, '--precision': 'FP32', '--img-channels': 3}))
say(*mo.optimize('flowers', 128, 128, 'MXNet', {'--precision': 'FP16'}))
say(*mo.optimize(model_name='flowers', input_width=128, input_height=128, platform='mx', aux_inputs={}))
say(*mo.optimize('flowers', 128, 128, 'torch'))
say(*mo.optimize('flowers', 2000, 128))
say(*mo.optimize('nothing-like-it', 128, 128))
model = awscam.Model(mo.optimize('flowers', 128, 128)[1], {'GPU': 1})
awscam.getLastFrame()
"""


def test_all_call_forms_find_a_bundle_and_others_have_a_status(run_text: Callable[..., Any]) -> None:
    summary = run_text(HEAD + FORMS)
    said = [json.loads(message["payload"]) for message in reversed(summary.messages)]
    assert said == [[0, PATH]] * 9 + [[1, PATH], [1, PATH], [1, PATH.replace("flowers", "nothing-like-it")]]
    assert summary.models == ("flowers",)
    assert summary.errors == 1  # the model that is not there
    assert [warning.partition(":")[0] for warning in summary.warnings] == ["mo.optimize('flowers')"] * 2


TAKEN = """
for arguments in ((), (0, 0), (1024, 1024), (128, 128, 'caffe'), (128, 128, 'tensorflow'), (128, 128, 'MXNet', None)):
    say(*mo.optimize('flowers', *arguments))
for key, value in {'--img-format': 'RGB', '--img-channels': 3, '--precision': 'FP16', '--fuse': 'ON', '--epoch': 30,
                   '--models-dir': '/opt/awscam/artifacts', '--output-dir': '/opt/awscam/artifacts',
                   '--input_proto': 'a.prototxt', '--input_model_is_text': True}.items():
    say(*mo.optimize('flowers', 128, 128, aux_inputs={key: value}))
awscam.getLastFrame()
"""


def test_what_the_optimizer_took_is_taken(run_text: Callable[..., Any]) -> None:
    summary = run_text(HEAD + TAKEN)
    assert [json.loads(message["payload"]) for message in summary.messages] == [[0, PATH]] * 15
    assert summary.warnings == ()


def test_options_that_it_never_had_are_passed_over_with_a_warning(run_text: Callable[..., Any]) -> None:
    text = HEAD + "say(*mo.optimize('flowers', 128, 128, aux_inputs={'--wat': 1}))\nawscam.getLastFrame()\n"
    assert "the optimizer had no --wat" in run_text(text).warnings[0]


BUILD = (
    HEAD
    + """
import cv2
error, path = mo.optimize('frozen_model', 64, 48, platform='tf')
model = awscam.Model(path, {'GPU': 1})
ret, frame = awscam.getLastFrame()
picture = cv2.resize(frame, (64, 48))
for fed in (picture, picture / 127.5 - 1, (picture / 127.5 - 1).transpose(2, 0, 1)):
    say(*[one['label'] for one in model.parseResult('classification', model.doInference(fed))['classification']])
"""
)
# Two scores of a picture of any size, frozen as in TensorFlow 1.
FREEZE = """
import sys
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
kernel = tf.constant([[[[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]]])
def scores(image):
    return tf.nn.softmax(tf.reduce_mean(tf.nn.conv2d(image, kernel, 1, "SAME"), (1, 2)), name="prob")
traced = tf.function(scores).get_concrete_function(tf.TensorSpec((None, None, None, 3), tf.float32, name="image"))
graph = convert_variables_to_constants_v2(traced).graph.as_graph_def()
open(sys.argv[1], "wb").write(graph.SerializeToString())
"""


def test_a_frozen_graph_of_open_size_is_built_to_a_bundle_of_the_one_asked_for_once(
    run_text: Callable[..., Any], tmp_path: Path
) -> None:
    pytest.importorskip("tensorflow")
    from relens.bundle import open_bundle
    from relens.graph import Graph
    from relens.pipeline.bare import bundle_of

    models = tmp_path / "models"
    models.mkdir()
    freeze = [sys.executable, "-c", FREEZE, str(models / "frozen_model.pb")]
    subprocess.run(freeze, check=True, capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})
    (models / "labels.txt").write_text("blue\ngreen\n")
    (models / "frozen_model.toml").write_text(
        '[model]\nlabels = "labels.txt"\n[input]\nscaling = "-1..1"\ncolour = "bgr"\n'
    )
    built: list[Path] = []

    def build(source: Path, output: Path, size: tuple[int, int] | None) -> None:
        built.append(source)
        bundle_of(source, output, size)

    for _ in range(2):
        summary = run_text(BUILD, models=models, build=build)
        said = [json.loads(message["payload"]) for message in reversed(summary.messages)]
        # With its contract in BGR, what the function scales itself is the very same input.
        assert said[0] == said[1] == said[2] and sorted(said[0]) == [0, 1]
    assert built == [models / "frozen_model.pb"]
    (path,) = (models / ".relens").glob("*.relens")
    bundle = open_bundle(path, tmp_path)
    assert (bundle.labels, Graph.read(bundle.model).inputs[0].shape) == (("blue", "green"), (1, 48, 64, 3))


def test_without_a_workstation_the_commands_are_named(run_text: Callable[..., Any], tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "frozen_model.pb").write_bytes(b"a graph")
    with pytest.raises(LegacyTrouble) as raised:
        run_text(BUILD, models=models)
    assert (raised.value.code, "relens convert frozen_model.pb" in raised.value.hint) == ("RL-LEGACY-004", True)


def test_mxnet_models_are_named_as_what_they_are(run_text: Callable[..., Any], tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "frozen_model-symbol.json").write_text("{}")
    (models / "frozen_model-0000.params").write_bytes(b"")
    with pytest.raises(LegacyTrouble, match=r"frozen_model-0000\.params is not TensorFlow") as raised:
        run_text(BUILD, models=models)
    assert raised.value.code == "RL-LEGACY-004"
