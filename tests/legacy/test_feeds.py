"""Whatever form a function feeds a picture in, the model sees the same picture."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from relens.bundle import open_bundle
from relens.errors import LegacyTrouble
from relens.legacy.feeds import feed
from relens.legacy.inference import Inference
from relens.legacy.numbering import Numbering
from relens.vision import read_picture


@pytest.fixture(scope="module")
def picture(pictures: Path) -> np.ndarray:
    return cv2.resize(read_picture(sorted(pictures.iterdir())[0]), (128, 128))


@pytest.fixture(scope="module")
def flowers(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Inference:
    return Inference(open_bundle(bundles / "flowers.relens", tmp_path_factory.mktemp("opened")), Numbering())


def scores(model: Inference, given: object) -> np.ndarray:
    (values,) = model.run(given).raw.values()
    return values


ALIKE: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a batch of one": lambda picture: picture[None],
    "channels first": lambda picture: picture.transpose(2, 0, 1),
    "channels first, a batch of one": lambda picture: picture.transpose(2, 0, 1)[None],
    "floats that are not scaled": lambda picture: picture.astype(np.float32),
    "integers of another type": lambda picture: picture.astype(np.int64),
    "doubles, scaled as the model wants them, in its order": lambda picture: picture[..., ::-1] / 127.5 - 1,
    "scaled, channels first": lambda picture: (picture[..., ::-1] / 127.5 - 1).transpose(2, 0, 1).astype(np.float32),
}


@pytest.mark.parametrize("form", ALIKE)
def test_the_same_picture_in_another_form_gives_the_same_answer(
    flowers: Inference, picture: np.ndarray, form: str
) -> None:
    np.testing.assert_allclose(scores(flowers, ALIKE[form](picture)), scores(flowers, picture), atol=1e-5)


def test_a_grey_picture_is_one_of_three_equal_channels(flowers: Inference, picture: np.ndarray) -> None:
    grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    expected = scores(flowers, cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))
    for given in (grey, grey[..., None]):
        np.testing.assert_array_equal(scores(flowers, given), expected)


def test_a_frame_of_another_size_is_resized(flowers: Inference, picture: np.ndarray) -> None:
    larger = cv2.resize(picture, (300, 200))
    assert flowers.run(larger).size == (200, 300)
    assert flowers.run((larger / 127.5 - 1)[..., ::-1]).size == (200, 300)


def test_what_is_no_picture_is_refused_with_its_shape() -> None:
    for given in (np.zeros((2, 4, 4, 3)), np.zeros(7), "frame", None, np.zeros((0, 4, 3))):
        with pytest.raises(LegacyTrouble, match="doInference was given") as raised:
            feed(given)
        assert raised.value.code == "RL-LEGACY-005"


def test_a_quantized_model_gets_scaled_floats_in_its_own_integers(
    shared_data: Path, bundles: Path, picture: np.ndarray, tmp_path: Path, flowers: Inference
) -> None:
    from relens.pipeline.convert import convert
    from relens.pipeline.package import package
    from relens.spec import InputSpec

    spec = InputSpec.model_validate({"scaling": "-1..1"})
    source = open_bundle(bundles / "flowers.relens", tmp_path).model
    convert(
        source,
        tmp_path / "int8.tflite",
        scheme="int8",
        calibration=shared_data / "flowers/calib",
        input_spec=spec,
    )
    package(tmp_path / "int8.tflite", tmp_path / "int8.relens", input_spec=spec)
    model = Inference(open_bundle(tmp_path / "int8.relens", tmp_path), Numbering())
    scaled = scores(model, picture[..., ::-1] / 127.5 - 1)
    np.testing.assert_allclose(scaled, scores(model, picture), atol=0.02)
    assert scaled.argmax() == scores(flowers, picture).argmax()
