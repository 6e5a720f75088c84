"""Every order of events leaves a camera with something to run or a way to say why not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relens.device.agent import Standing
from relens.device.agent.standing import MOST_STARTS
from relens.errors import DeviceTrouble

BUNDLES = st.sampled_from("ABCD")
EVENTS = st.one_of(
    st.tuples(st.just("activated"), BUNDLES),
    *(st.tuples(st.just(name)) for name in ("started", "excused", "confirmed", "failed", "rolled_back")),
)


@given(st.lists(EVENTS, max_size=30))
def test_every_order_of_events_keeps_the_camera_whole(events) -> None:
    standing = Standing()
    for name, *given_ in events:
        before = standing
        try:
            standing = getattr(standing, name)(*given_)
        except DeviceTrouble:
            assert name == "rolled_back" and before.fallback is None
            continue
        _check(standing)
        _check_step(name, before, standing)


def _check(standing: Standing) -> None:
    there = [one for one in (standing.good, standing.before) if one]
    assert len(there) == len(set(there)), f"the same bundle twice: {standing}"
    assert standing.active or not there, f"nothing runs although something could: {standing}"
    assert standing.good or not standing.before, standing
    assert standing.fallback is None or standing.fallback != standing.active, standing
    assert 0 <= standing.starts <= MOST_STARTS


def _check_step(name: str, before: Standing, after: Standing) -> None:
    if name == "activated":
        assert after.good == before.good, "what was good stays the way back"
    if name == "confirmed":
        assert after.active == before.active and not after.on_trial and after.starts == 0
    if name in ("failed", "rolled_back") and before.fallback:
        assert after == replace(after, active=before.fallback, good=before.fallback, starts=0)
        assert before.active not in after.needed
    if name == "failed" and not before.fallback:
        assert after.active in (None, before.good)


def test_a_bundle_goes_the_whole_way_and_back() -> None:
    first = Standing().activated("A").started().confirmed()
    second = first.activated("B").started()

    assert (first.active, first.good, first.on_trial) == ("A", "A", False)
    assert (second.on_trial, second.fallback) == (True, "A")
    assert second.failed() == Standing("A", "A", None)
    assert second.confirmed() == Standing("B", "B", "A")
    assert second.confirmed().failed() == Standing("A", "A", None)


def test_a_crash_loop_ends_and_a_camera_that_is_away_does_not_count() -> None:
    trial = Standing("A", "A").activated("B")
    for _ in range(MOST_STARTS):
        assert not trial.worn_out
        trial = trial.started()

    assert trial.worn_out
    assert not trial.excused().worn_out


def test_a_confirmed_bundle_without_another_goes_on_trying() -> None:
    alone = Standing("A", "A", None, MOST_STARTS)

    assert not alone.worn_out
    assert alone.failed() == alone
    with pytest.raises(DeviceTrouble, match="RL-DEVICE-005"):
        alone.rolled_back()
