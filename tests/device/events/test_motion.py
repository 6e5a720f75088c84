import numpy as np
import pytest

from relens.device.events.motion import DRIFT_PER_S, MEASURED, STARTING, TURNING_PER_S, Motion, to_boxes, to_places


def textbook(places: np.ndarray, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """State (8,) and covariance (8, 8) of the usual Kalman filter after places (N, 4) at times (N,)."""
    look = np.eye(4, 8)
    state = np.concatenate([places[0], np.zeros(4)])
    area = places[0, 2] * places[0, 3]
    covariance = np.diag(np.concatenate([np.full(4, 4 * MEASURED), STARTING])) * area
    for place, seconds in zip(places[1:], np.diff(times), strict=True):
        area = state[2] * state[3]
        move = np.eye(8) + seconds * np.eye(8, k=4)
        noise = np.diag(np.concatenate([np.full(4, DRIFT_PER_S), TURNING_PER_S])) * seconds * area
        state, covariance = move @ state, move @ covariance @ move.T + noise
        area = state[2] * state[3]
        whole = look @ covariance @ look.T + np.eye(4) * MEASURED * area
        gain = covariance @ look.T @ np.linalg.inv(whole)
        state = state + gain @ (place - look @ state)
        covariance = (np.eye(8) - gain @ look) @ covariance
    return state, covariance


def test_four_small_filters_are_the_large_one() -> None:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.5, 20))
    places = np.array([100, 100, 30, 60]) + np.outer(times, [40, -10, 0, 0]) + rng.normal(0, 2, (20, 4))
    motion = Motion.start(places[:1])
    for place, seconds in zip(places[1:], np.diff(times), strict=True):
        motion = motion.after(seconds).corrected(place[None])
    state, covariance = textbook(places, times)
    np.testing.assert_allclose(motion.state[:2, 0].ravel(), state, rtol=1e-9, atol=1e-9)
    expected = np.diag(covariance)[:4], np.diag(covariance, 4), np.diag(covariance)[4:]
    np.testing.assert_allclose(motion.state[2:, 0], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("fps", [60, 30, 10, 5])
def test_it_learns_a_velocity_within_a_second_at_any_frame_rate(fps: int) -> None:
    times = np.arange(0, 1 + 1e-9, 1 / fps)
    places = np.array([50, 50, 40, 80]) + np.outer(times, [100, 0, 0, 0])
    motion = Motion.start(places[:1])
    for place in places[1:]:
        motion = motion.after(1 / fps).corrected(place[None])
    assert motion.state[1, 0] == pytest.approx([100, 0, 0, 0], abs=6)
    assert motion.after(0.5).place[0, 0] == pytest.approx(200, abs=4)


def test_boxes_and_places_are_the_same_thing_said_twice() -> None:
    boxes = np.array([[10.0, 20, 50, 100], [0, 0, 1, 2]])
    assert to_places(boxes)[0].tolist() == [30, 60, 40, 80]
    np.testing.assert_array_equal(to_boxes(to_places(boxes)), boxes)
