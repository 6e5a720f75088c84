from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from relens.errors import BadConfig
from relens.graph import Tensor
from relens.spec import InputSpec
from relens.vision import Preprocessor

FLOAT = Tensor(0, "image", "image", (1, 32, 48, 3), "float32")
INT8 = replace(FLOAT, dtype="int8", scales=(1 / 127,), zero_points=(3,))


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (90, 120, 3), np.uint8)


def test_stretch_is_opencv_linear_in_rgb_and_0_to_1(frame: np.ndarray) -> None:
    found = Preprocessor(InputSpec(), FLOAT)(frame).tensor
    expected = cv2.cvtColor(cv2.resize(frame, (48, 32)), cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    assert found.shape == (1, 32, 48, 3)
    np.testing.assert_allclose(found[0], expected, atol=1e-7)


def test_antialias_is_pillows_bilinear(frame: np.ndarray) -> None:
    found = Preprocessor(InputSpec(interpolation="antialias", scaling="0..255", colour="bgr"), FLOAT)(frame).tensor
    expected = np.asarray(Image.fromarray(frame).resize((48, 32), Image.Resampling.BILINEAR), np.float32)
    np.testing.assert_array_equal(found[0], expected)


def test_mean_and_std_go_to_the_channels_in_the_models_colour_order(frame: np.ndarray) -> None:
    spec = InputSpec(scaling={"mean": [10, 20, 30], "std": [2, 4, 8]})
    rgb = cv2.cvtColor(cv2.resize(frame, (48, 32)), cv2.COLOR_BGR2RGB).astype(np.float64)
    expected = (rgb - [10, 20, 30]) / [2, 4, 8]
    np.testing.assert_allclose(Preprocessor(spec, FLOAT)(frame).tensor[0], expected, rtol=1e-6)


def test_an_int8_input_is_the_float_input_quantized(frame: np.ndarray) -> None:
    spec = InputSpec(scaling="-1..1")
    real = Preprocessor(spec, FLOAT)(frame).tensor
    expected = np.clip(np.round(real.astype(np.float64) * 127) + 3, -128, 127)
    found = Preprocessor(spec, INT8)(frame).tensor
    assert found.dtype == np.int8
    # A pixel whose value falls between two steps may round either way in float32.
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != expected).mean() < 0.01


def test_letterbox_keeps_the_aspect_ratio_and_pads_with_grey(frame: np.ndarray) -> None:
    prepared = Preprocessor(InputSpec(resize="letterbox", scaling="0..255"), FLOAT)(frame)
    assert prepared.placement.inner == (32, 42)
    assert (prepared.placement.offset_x, prepared.placement.offset_y) == (3, 0)
    assert np.all(prepared.tensor[0, :, :3] == 114) and np.all(prepared.tensor[0, :, 45:] == 114)


def test_letterbox_top_left_pads_at_the_right_and_the_bottom(frame: np.ndarray) -> None:
    prepared = Preprocessor(InputSpec(resize="letterbox-top-left", scaling="0..255"), FLOAT)(frame)
    assert np.all(prepared.tensor[0, :, 42:] == 114)
    assert not np.all(prepared.tensor[0, :, 41] == 114)


def test_frames_of_changing_size_leave_no_ghosts_in_the_borders(frame: np.ndarray) -> None:
    preprocess = Preprocessor(InputSpec(resize="letterbox", scaling="0..255"), FLOAT)
    fresh = Preprocessor(InputSpec(resize="letterbox", scaling="0..255"), FLOAT)
    wide = np.ascontiguousarray(frame[:30])
    for picture in (frame, wide):
        preprocess(picture)
    np.testing.assert_array_equal(preprocess(frame).tensor, fresh(frame).tensor)


def test_a_prepared_tensor_is_not_overwritten_by_the_next_frame(frame: np.ndarray) -> None:
    preprocess = Preprocessor(InputSpec(resize="letterbox", colour="bgr"), FLOAT)
    first = preprocess(frame).tensor
    kept = first.copy()
    preprocess(255 - frame)
    np.testing.assert_array_equal(first, kept)


def test_crop_takes_the_middle(frame: np.ndarray) -> None:
    frame = np.repeat(np.arange(120, dtype=np.uint8)[None, :, None], 40, 0).repeat(3, 2)
    found = Preprocessor(InputSpec(resize="crop", scaling="0..255"), FLOAT)(frame).tensor[0, 16, :, 0]
    assert abs(found[0] - 30) <= 1 and abs(found[-1] - 89) <= 1, found


def test_a_channels_first_graph_gets_channels_first(frame: np.ndarray) -> None:
    tensor = replace(FLOAT, shape=(1, 3, 32, 48))
    found = Preprocessor(InputSpec(), tensor)(frame).tensor
    expected = Preprocessor(InputSpec(), FLOAT)(frame).tensor
    np.testing.assert_array_equal(found[0].transpose(1, 2, 0), expected[0])


def test_grey_takes_one_channel(frame: np.ndarray) -> None:
    tensor = replace(FLOAT, shape=(1, 32, 48, 1))
    found = Preprocessor(InputSpec(colour="grey", scaling="0..255"), tensor)(frame).tensor
    expected = cv2.cvtColor(cv2.resize(frame, (48, 32)), cv2.COLOR_BGR2GRAY)
    np.testing.assert_array_equal(found[0, ..., 0], expected)


@pytest.mark.parametrize(("shape", "colour"), [((1, 32, 48, 1), "rgb"), ((1, 32, 48, 3), "grey"), ((1, 7), "rgb")])
def test_a_contract_that_does_not_fit_the_input_is_refused(shape: tuple[int, ...], colour: str) -> None:
    with pytest.raises(BadConfig, match="image"):
        Preprocessor(InputSpec(colour=colour), replace(FLOAT, shape=shape))
