"""When a bundle is healthy, and what each kind of trouble looks like."""

import pytest

from relens.device.agent.health import Health, Limits, Report, collapsed

LIMITS = Limits(most_infer_ms=50, most_resident_mb=200, silent_s=5, frozen=100)


def report(seconds: float, **values) -> Report:
    usual = {"captured": int(30 * seconds), "inferred": int(30 * seconds), "infer_ms": 20.0, "resident_mb": 90.0}
    return Report(seconds, **(usual | values))


def test_frames_make_it_healthy_and_a_camera_without_any_proves_nothing() -> None:
    health = Health(LIMITS)

    assert [health.judge(report(second)) for second in (1.0, 2.0, 3.0)] == [None] * 3
    assert health.healthy_s == 3.0
    assert [health.judge(report(second, captured=90, inferred=90)) for second in (10.0, 60.0)] == [None] * 2
    assert health.healthy_s == 3.0


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        ({"inferred": 30}, "none was inferred for 6 s"),
        ({"resident_mb": 201.0}, "201 MB of memory, at most 200"),
        ({"infer_ms": 51.0}, "an inference takes 51.0 ms, at most 50.0"),
        ({"unusable": 1}, "NaN or infinity in the outputs of 1 frames"),
        ({"captured": 30, "inferred": 30, "inferring_s": 6.0}, "an inference has been going on for 6 s"),
        ({"frozen": 100}, "100 different frames in a row with the very same answer"),
    ],
)
def test_each_kind_of_trouble_is_told(trouble, said) -> None:
    health = Health(LIMITS)

    assert health.judge(report(1.0)) is None
    assert said in health.judge(report(7.0, **trouble))


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"cat": 50, "": 50}, {"": 100}, "nothing found on 100 frames, where cat used to be"),
        ({"cat": 50, "dog": 50}, {"cat": 100}, "all 100 frames are cat, where dog used to be"),
        ({"cat": 50, "dog": 50}, {"cat": 99, "dog": 1}, None),
        ({"cat": 1000}, {"cat": 100}, None),
        ({"cat": 999, "dog": 1}, {"cat": 100}, None),  # a dog that rare may well stay away
        ({"": 100}, {"": 100}, None),
    ],
)
def test_a_collapse_is_told_from_a_quiet_hour(before, now, said) -> None:
    assert collapsed(before, now) == said


def test_a_new_bundle_is_held_against_what_was_seen_before_it() -> None:
    health = Health(Limits(50, 200, seen_before={"cat": 500, "dog": 500}))

    assert health.judge(report(2.0, seen={"cat": 60})) is None, "too few to say"
    assert "dog" in health.judge(report(4.0, seen={"cat": 120}))
