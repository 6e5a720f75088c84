"""Real models that pass their acceptance in the dark and go wrong where it is bright, on a bright camera."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from relens.device.agent import Standing, Store, install

pytestmark = pytest.mark.system

LABELS = ("red", "green", "blue")
KINDS = {
    "nan": "NaN or infinity",
    "collapsed": "the very same answer|frames are blue",
    "slow": "an inference takes",
    "hanging": "an inference has been going on for",
    "hungry": "MB of memory",
    "failing": "started 3 times",
}


@pytest.fixture(scope="module")
def bundles(write_around, making, tmp_path_factory) -> Path:
    """A folder with a bundle around each model; their golden frames are dark."""
    folder, random = tmp_path_factory.mktemp("bad_bundles"), np.random.default_rng(0)
    dark = [random.integers(0, 90, (32, 32, 3)).astype(np.uint8) for _ in range(2)]
    for model in sorted(making("device/agent/make_bad_models.py", folder).glob("*.tflite")):
        write_around(model, LABELS, dark, folder / f"{model.stem}.relens")
    return folder


@pytest.fixture(scope="module")
def bright_clip(write_clip, tmp_path_factory) -> Path:
    """Two seconds at 30 frames a second: halves of changing colours, all bright."""
    halves = np.random.default_rng(1).integers(140, 256, (60, 2, 1, 3)).astype(np.uint8)
    return write_clip(tmp_path_factory.mktemp("bright") / "bright.avi", halves.repeat(24, axis=1).repeat(64, axis=2))


@pytest.fixture(scope="module")
def camera(bundles, bright_clip, running, until, tmp_path_factory) -> Iterator[tuple[Store, str]]:
    """A running camera with a confirmed bundle, which has seen some hundred frames."""
    store = Store(tmp_path_factory.mktemp("camera") / "state")
    good = install(store, bundles / "good.relens")
    with running(store, bright_clip, confirm_s=6):
        until(lambda: store.standing() == Standing(good, good))
        yield store, good


@pytest.mark.parametrize("kind", KINDS)
def test_what_goes_wrong_in_the_light_is_rolled_back(kind, bundles, camera, bring, until, workers) -> None:
    store, good = camera
    bring(store, bundles / f"{kind}.relens")

    until(lambda: store.standing().active != good)
    bad = store.standing().active
    until(lambda: store.standing().active == good, seconds=40)
    until(lambda: len(workers()) == 1, seconds=10)

    assert re.search(KINDS[kind], store.stored()[bad].bad)
    until(lambda: store.standing() == Standing(good, good))  # healthy again


def test_a_model_that_hangs_is_noticed_where_the_camera_waits_for_it(
    bundles, bright_clip, running, until, tmp_path
) -> None:
    store = Store(tmp_path / "state")
    bad = install(store, bundles / "hanging.relens")

    with running(store, bright_clip, real_time=False):
        until(lambda: store.stored()[bad].bad, seconds=30)

    assert "an inference has been going on for" in store.stored()[bad].bad
