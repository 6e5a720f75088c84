"""Every way in which public functions call awscam, on real models and pictures."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from relens.bundle import open_bundle
from relens.device.model import load_model
from relens.vision import Classes, Detections, frames_from

HEAD = """
import json, os
import awscam
import cv2
import numpy as np
import greengrasssdk
client = greengrasssdk.client('iot-data')
def say(**values):
    client.publish(topic='said', payload=json.dumps(values))
def lambda_handler(event, context):
    return
"""


def said(summary: Any) -> list[dict[str, Any]]:
    """What the function said, in order."""
    return [json.loads(message["payload"]) for message in reversed(summary.messages)]


def test_the_function_sees_every_picture_of_a_folder_in_order(run_text: Callable[..., Any], pictures: Path) -> None:
    text = (
        HEAD
        + """
while True:
    ret, frame = awscam.getLastFrame()
    say(ret=ret, shape=frame.shape, dtype=str(frame.dtype), sum=int(frame.sum()), writable=frame.flags.writeable)
"""
    )
    summary = run_text(text, frames=8)
    expected = [
        {"ret": True, "shape": list(frame.shape), "dtype": "uint8", "sum": int(frame.sum()), "writable": True}
        for frame in list(frames_from(pictures))[:8]
    ]
    assert (summary.frames, summary.published) == (8, 8)
    assert said(summary) == expected


def test_a_camera_that_ends_ends_the_run(run_text: Callable[..., Any], pictures: Path) -> None:
    text = HEAD + "while True:\n    awscam.getLastFrame()\n"
    summary = run_text(text, loop=False)
    assert (summary.frames, summary.ended) == (len(frames_from(pictures)), "ended as asked")


CLASSIFY = (
    HEAD
    + """
mcfg = {'GPU': 1}
path = '/opt/awscam/artifacts/flowers.xml'
for model in (awscam.Model(path, {'GPU': 1}), awscam.Model(path, mcfg), awscam.Model(path, {'GPU': 0}),
              awscam.Model(path, {'GPU': 1}, awscam.Runtime.DLDT), awscam.Model(path, {'GPU': 1}, 0),
              awscam.Model(path, {'GPU': 1}, runtime=0), awscam.Model(model_topology_file=path, loading_config=mcfg)):
    ret, frame = awscam.getLastFrame()
    raw = model.doInference(cv2.resize(frame, (128, 128)))
    parsed = model.parseResult('classification', raw)
    say(names=list(raw), shape=list(raw.values())[0].shape, dtype=str(list(raw.values())[0].dtype),
        keys=list(parsed), parsed=parsed['classification'])
neo = awscam.Model('/opt/awscam/artifacts/flowers', {'GPU': 1}, 1)
ret, frame = awscam.getLastFrame()
raw = neo.doInference(cv2.resize(frame, (128, 128)))
say(names=list(raw), same=neo.parseResult('classification', raw) is raw)
"""
)


def test_all_call_forms_of_a_model_give_a_classifiers_answer(
    run_text: Callable[..., Any], bundles: Path, pictures: Path, tmp_path: Path
) -> None:
    *answers, neo = said(run_text(CLASSIFY))
    model = load_model(open_bundle(bundles / "flowers.relens", tmp_path))
    output = model.engine.outputs[0].name
    assert len(answers) == 7
    for answer, frame in zip(answers, frames_from(pictures), strict=False):
        expected = model.predict(cv2.resize(frame, (128, 128)))
        assert isinstance(expected, Classes)
        assert (answer["names"], answer["shape"], answer["dtype"]) == ([output], [1, 5], "float32")
        assert answer["keys"] == ["classification"]
        assert [(one["label"], pytest.approx(one["prob"], abs=1e-6)) for one in answer["parsed"]] == expected.top()
        assert all(type(one["label"]) is int for one in answer["parsed"])
    assert neo == {"names": [0], "same": True}


DETECT = (
    HEAD
    + """
model = awscam.Model('/opt/awscam/artifacts/%s.xml', {'GPU': 1})
while True:
    ret, frame = awscam.getLastFrame()
    raw = model.doInference(cv2.resize(frame, (300, 300)))
    rows = raw['detection_out']
    parsed = model.parseResult('ssd', raw)['ssd']
    say(names=list(raw), rows=rows.tolist(), parsed=parsed)
"""
)


def test_a_detector_answers_in_pixels_of_what_was_fed_and_counts_classes_from_one(
    run_text: Callable[..., Any], bundles: Path, pictures: Path, tmp_path: Path
) -> None:
    answers = said(run_text(DETECT % "object-detection", frames=6))
    model = load_model(open_bundle(bundles / "object-detection.relens", tmp_path))
    lowest = 1.0
    for answer, frame in zip(answers, frames_from(pictures), strict=False):
        expected = model.predict(cv2.resize(frame, (300, 300)))
        assert isinstance(expected, Detections)
        sure = [one for one in answer["parsed"] if one["prob"] >= 0.3]
        assert [one["label"] for one in sure] == [int(kind) + 1 for kind in expected.classes]
        boxes = np.array([[one[key] for key in ("xmin", "ymin", "xmax", "ymax")] for one in sure]).reshape(-1, 4)
        np.testing.assert_allclose(boxes, expected.boxes, atol=0.01)
        scores = [one["prob"] for one in answer["parsed"]]
        assert scores == sorted(scores, reverse=True)
        lowest = min(lowest, *scores)
        assert answer["names"] == ["detection_out", model.engine.outputs[0].name]
        # As DetectionOutput: fractions, one row a box, and a row that ends them.
        (rows,) = answer["rows"][0]
        assert rows[-1] == [-1, 0, 0, 0, 0, 0, 0]
        assert [(row[0], row[1]) for row in rows[:-1]] == [(0, one["label"]) for one in answer["parsed"]]
        assert all(-0.01 <= edge <= 1.01 for row in rows[:-1] for edge in row[3:])
    assert 0.05 <= lowest < 0.3  # functions have thresholds of their own


def test_each_answer_is_parsed_for_the_picture_that_it_is_about(
    run_text: Callable[..., Any], bundles: Path, pictures: Path, tmp_path: Path
) -> None:
    """Two are made before the first is parsed; and one of them is of a whole frame."""
    text = (
        HEAD
        + """
model = awscam.Model('/opt/awscam/artifacts/object-detection.xml', {'GPU': 1})
ret, frame = awscam.getLastFrame()
small, whole = model.doInference(cv2.resize(frame, (300, 300))), model.doInference(frame)
say(small=model.parseResult('ssd', small)['ssd'], whole=model.parseResult('ssd', whole)['ssd'])
"""
    )
    (answer,) = said(run_text(text))
    model = load_model(open_bundle(bundles / "object-detection.relens", tmp_path))
    frame = frames_from(pictures)[0]
    for key, fed in (("small", cv2.resize(frame, (300, 300))), ("whole", frame)):
        expected = model.predict(fed)
        assert isinstance(expected, Detections) and len(expected)
        sure = [one for one in answer[key] if one["prob"] >= 0.3]
        boxes = np.array([[one[edge] for edge in ("xmin", "ymin", "xmax", "ymax")] for one in sure])
        np.testing.assert_allclose(boxes, expected.boxes, atol=0.01)


def test_neo_numbers_a_detectors_outputs_and_other_runtimes_are_refused(
    run_text: Callable[..., Any], bundles: Path, tmp_path: Path
) -> None:
    from relens.errors import LegacyTrouble

    text = (
        HEAD
        + """
model = awscam.Model('/opt/awscam/artifacts/object-detection', {'GPU': 1}, awscam.Runtime.NEO)
ret, frame = awscam.getLastFrame()
raw = model.doInference(frame)
say(names=list(raw), rows=len(raw[0].shape), last=raw[0].shape[-1])
named = awscam.Model('/opt/awscam/artifacts/object-detection.xml', {'GPU': 1}).doInference(frame)
say(shape=named['%s'].shape)
"""
    )
    output = load_model(open_bundle(bundles / "object-detection.relens", tmp_path)).engine.outputs[0]
    neo, named = said(run_text(text % output.name))
    assert neo == {"names": [0, 1], "rows": 4, "last": 7}
    assert named == {"shape": list(output.shape)}
    with pytest.raises(LegacyTrouble, match=r"RL-LEGACY-005.*runtime 2"):
        run_text(HEAD + "awscam.getLastFrame()\nawscam.Model('/opt/awscam/artifacts/flowers.xml', {'GPU': 1}, 2)\n")


def test_a_segmentation_is_parsed_to_masks_largest_first(
    run_text: Callable[..., Any], models: Path, tmp_path: Path
) -> None:
    """A model that says which of red, green and blue a pixel has most of."""
    layers = "keras.Input((24, 32, 3)), keras.layers.ReLU()"
    script = f"import keras\nkeras.Sequential([{layers}]).save({str(models / 'hue.keras')!r})"
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    (models / "hue.toml").write_text('[input]\nscaling = "0..1"\n[output]\ndecoder = "tensors"\n')
    text = (
        HEAD
        + """
model = awscam.Model('/opt/awscam/artifacts/hue.xml', {'GPU': 1})
awscam.getLastFrame()
picture = np.zeros((24, 32, 3), np.uint8)
picture[:18, :, 2] = 200
picture[18:, :, 0] = 100
found = model.parseResult('segmentation', model.doInference(picture))['segmentation']
say(found=[[one['label'], one['prob'], list(one['mask'].shape), int(one['mask'].sum())] for one in found])
"""
    )
    from relens.pipeline.bare import bundle_of

    (answer,) = said(run_text(text, models=models, build=bundle_of))
    assert answer["found"] == [
        [0, pytest.approx(200 / 255, abs=0.01), [24, 32], 18 * 32],  # red: cv2 has it last, the model first
        [2, pytest.approx(100 / 255, abs=0.01), [24, 32], 6 * 32],
    ]


def test_the_stand_in_for_awss_object_detector_has_its_numbers(
    run_text: Callable[..., Any], pictures: Path, bundles: Path, tmp_path: Path
) -> None:
    summary = run_text(DETECT % "mxnet_deploy_ssd_resnet50_300_FP16_FUSED", frames=12)
    model = load_model(open_bundle(bundles / "object-detection.relens", tmp_path))
    labels = open_bundle(bundles / "object-detection.relens", tmp_path).labels
    voc = {"person": 15, "cat": 8, "dog": 12, "tv": 20, "couch": 18, "dining table": 11, "airplane": 1, "bottle": 5}
    seen = set()
    for answer, frame in zip(said(summary), frames_from(pictures), strict=False):
        found = model.predict(cv2.resize(frame, (300, 300)))
        assert isinstance(found, Detections)
        names = [labels[int(kind)] for kind in found.classes]
        seen |= set(names)
        parsed = [one["label"] for one in answer["parsed"] if one["prob"] >= 0.3]
        assert [label for label in parsed if label in voc.values()] == [voc[name] for name in names if name in voc]
        assert all(1 <= one["label"] <= 20 for one in answer["parsed"])
    assert "person" in seen
    assert summary.warnings == (
        "object-detection.relens stands for mxnet_deploy_ssd_resnet50_300_FP16_FUSED, AWS's detector of the 20 classes "
        "of PASCAL VOC",
    )


def test_the_streams_of_a_deeplens_give_frames_to_opencv(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
for path in ('/opt/awscam/out/ch1_out.h264', '/opt/awscam/out/ch2_out.mjpeg', 0):
    capture = cv2.VideoCapture(path)
    ret, frame = capture.read()
    size = [capture.get(cv2.CAP_PROP_FRAME_HEIGHT), capture.get(cv2.CAP_PROP_FRAME_WIDTH)]
    say(open=capture.isOpened(), ret=ret, size=size, shape=frame.shape)
    capture.release()
    say(open=capture.isOpened(), ret=capture.read()[0])
"""
    )
    answers = said(run_text(text))
    for first, after in zip(answers[::2], answers[1::2], strict=True):
        assert (first["open"], first["ret"], first["size"]) == (True, True, first["shape"][:2])
        assert after == {"open": False, "ret": False}


def test_functions_look_before_they_open(run_text: Callable[..., Any]) -> None:
    text = (
        HEAD
        + """
import stat
stream = '/opt/awscam/out/ch2_out.mjpeg'
capture = cv2.VideoCapture(stream) if stat.S_ISFIFO(os.stat(stream).st_mode) else None
width = capture.get(cv2.CAP_PROP_FRAME_WIDTH)
ret, frame = capture.read()
say(width=width, real=frame.shape[1], there=[os.path.exists('/opt/awscam/artifacts/' + name) for name in (
    'mxnet_deploy_ssd_resnet50_300_FP16_FUSED.xml', 'mxnet_flowers_FP16_FUSED.xml', 'nothing.xml')])
"""
    )
    (answer,) = said(run_text(text))
    assert answer["there"] == [True, True, False]
    assert answer["width"] > 0 and answer["real"] > 0


def test_a_model_of_another_kind_is_named(run_text: Callable[..., Any]) -> None:
    from relens.errors import LegacyTrouble

    text = (
        HEAD
        + """
model = awscam.Model('/opt/awscam/artifacts/flowers.xml', {'GPU': 1})
ret, frame = awscam.getLastFrame()
model.parseResult('ssd', model.doInference(frame))
"""
    )
    with pytest.raises(LegacyTrouble, match="`flowers` as 'ssd', and its bundle is made for classification") as raised:
        run_text(text)
    assert raised.value.code == "RL-LEGACY-005"
