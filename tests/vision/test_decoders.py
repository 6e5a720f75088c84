import numpy as np
import pytest

from relens.errors import BadConfig
from relens.graph import Tensor
from relens.spec import OutputSpec
from relens.vision import Classes, Detections, load_decoder
from relens.vision.decoders.suppression import iou, suppress
from relens.vision.placement import place

HERE = place((64, 64), (64, 64), "stretch")


def output(*shape: int, name: str = "out") -> Tensor:
    return Tensor(0, name, name, shape, "float32")


def test_softmax_gives_the_scores_and_applies_an_activation_if_asked() -> None:
    logits = {"out": np.array([[1.0, 3.0, 2.0]], np.float32)}
    plain = load_decoder(OutputSpec(), [output(1, 3)], (64, 64)).decode(logits, HERE)
    assert isinstance(plain, Classes) and plain.top(2) == [(1, 3.0), (2, 2.0)]
    soft = load_decoder(OutputSpec(activation="softmax"), [output(1, 3)], (64, 64)).decode(logits, HERE)
    assert isinstance(soft, Classes) and soft.scores.sum() == pytest.approx(1)
    assert soft.scores[1] == pytest.approx(np.exp(3) / np.exp([1, 3, 2]).sum())


def yolox_rows(cells: dict[int, list[float]]) -> np.ndarray:
    rows = np.zeros((1, 84, 7), np.float32)  # strides 8, 16, 32 on 64 x 64: 64 + 16 + 4 cells, 2 classes
    for cell, values in cells.items():
        rows[0, cell] = values
    return rows


def test_a_yolox_cell_becomes_the_box_that_the_paper_gives_it() -> None:
    # Cell 64 is the first of stride 16; offset (0.5, 1), size e^0 and e^ln2 strides.
    rows = yolox_rows({64: [0.5, 1.0, 0.0, np.log(2), 0.9, 0.1, 0.8]})
    found = load_decoder(OutputSpec(decoder="yolo"), [output(1, 84, 7)], (64, 64)).decode({"out": rows}, HERE)
    assert isinstance(found, Detections) and found.classes.tolist() == [1]
    assert found.scores[0] == pytest.approx(0.72)
    np.testing.assert_allclose(found.boxes, [[0, 0, 16, 32]], atol=1e-5)


def test_the_threshold_can_be_lowered_for_evaluation() -> None:
    rows = yolox_rows({0: [0, 0, 1, 1, 0.5, 0.1, 0.2]})
    spec = OutputSpec(decoder="yolo", score_threshold=0.5)
    shown = load_decoder(spec, [output(1, 84, 7)], (64, 64))
    evaluated = load_decoder(spec, [output(1, 84, 7)], (64, 64), score_threshold=0.02)
    assert len(shown.decode({"out": rows}, HERE)) == 0  # type: ignore[arg-type]
    assert len(evaluated.decode({"out": rows}, HERE)) == 2  # type: ignore[arg-type]


def test_rows_without_objectness_lying_across_are_read_too() -> None:
    rows = np.zeros((1, 6, 100), np.float32)
    rows[0, :, 7] = [0.5, 0.25, 0.5, 0.25, 0.0, 0.6]
    spec = OutputSpec(decoder="yolo", boxes="xywh", objectness=False, normalized=True)
    found = load_decoder(spec, [output(1, 6, 100)], (64, 64)).decode({"out": rows}, HERE)
    assert isinstance(found, Detections)
    np.testing.assert_allclose(found.boxes, [[16, 8, 48, 24]])


def test_blazeface_adds_offsets_to_anchor_centres() -> None:
    boxes, scores = np.zeros((1, 896, 16), np.float32), np.full((1, 896, 1), -100, np.float32)
    scores[0, 2], boxes[0, 2, :4] = 3.0, [4, 0, 40, 20]  # anchor 2: the second cell, centre (12, 4)
    outputs = [output(1, 896, 16, name="b"), output(1, 896, 1, name="s")]
    frame = place((128, 128), (128, 128), "stretch")
    found = load_decoder(OutputSpec(decoder="blazeface"), outputs, (128, 128)).decode({"b": boxes, "s": scores}, frame)
    assert isinstance(found, Detections)
    np.testing.assert_allclose(found.boxes, [[0, 0, 36, 14]])
    assert found.scores[0] == pytest.approx(1 / (1 + np.exp(-3)))


def test_suppression_keeps_the_best_of_what_overlaps_class_by_class() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [0, 0, 10, 10], [50, 50, 60, 60]], np.float32)
    found = Detections(boxes, np.array([0.6, 0.9, 0.5, 0.3], np.float32), np.array([0, 0, 1, 0]))
    kept = suppress(found, 0.5, 10)
    assert kept.scores.tolist() == pytest.approx([0.9, 0.5, 0.3])
    assert suppress(found, 0.5, 1).scores.tolist() == pytest.approx([0.9])


def test_iou_of_known_boxes() -> None:
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 6, 6]], np.float32)
    np.testing.assert_allclose(iou(boxes[0], boxes), [1, 1 / 7, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("spec", "shapes", "words"),
    [
        ({"decoder": "sofmax"}, [(1, 3)], "did you mean `softmax`"),
        ({"decoder": "softmax", "activasion": "none"}, [(1, 3)], "did you mean `activation`"),
        ({"decoder": "softmax"}, [(1, 3), (1, 3)], "one output"),
        ({"decoder": "yolo"}, [(1, 83, 7)], "84 cells"),
        ({"decoder": "yolo"}, [(1, 7)], "wants"),
        ({"decoder": "blazeface"}, [(1, 896, 16)], "wants"),
    ],
)
def test_a_decoder_that_does_not_fit_says_what_it_wants(spec: dict, shapes: list, words: str) -> None:
    with pytest.raises(BadConfig, match=words):
        load_decoder(OutputSpec(**spec), [output(*shape) for shape in shapes], (64, 64))
