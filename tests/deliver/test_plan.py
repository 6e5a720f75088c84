"""Which cameras get a bundle when."""

import hashlib

import pytest

from relens.deliver.plan import Outcome, Plan, make_plan, outcome
from relens.device.agent.draw import draw
from relens.device.agent.status import CameraStatus
from relens.errors import BadConfig
from relens.spec.fleet import Fleet, RolloutSettings, load_fleet, single
from relens.spec.strict import validate

SHA = hashlib.sha256(b"a bundle").hexdigest()


def plan(cameras: int, *steps: float) -> Plan:
    settings = RolloutSettings(steps=steps) if steps else RolloutSettings()
    return make_plan("door", SHA, [f"camera {number}" for number in range(cameras)], settings)


@pytest.mark.parametrize(
    ("cameras", "sizes"), [(0, []), (1, [1]), (2, [1, 1]), (3, [1, 2]), (20, [1, 4, 15]), (2000, [100, 400, 1500])]
)
def test_steps_rise_to_all_cameras_and_none_is_empty(cameras, sizes) -> None:
    assert [len(step) for step in plan(cameras).steps] == sizes
    assert len(set(plan(cameras).released(9))) == cameras == len(plan(cameras))


def test_a_share_means_the_same_cameras_at_the_desk_and_on_the_camera() -> None:
    made = plan(200)
    for step in range(len(made.steps)):
        below = {one for one in made.released(9) if draw(one, SHA) < made.share(step)}
        assert below == set(made.released(step))


def test_the_lot_is_another_one_for_each_bundle_and_the_same_every_time() -> None:
    other = make_plan("door", hashlib.sha256(b"another").hexdigest(), plan(200).released(9), RolloutSettings())
    assert plan(200) == plan(200)
    assert other.steps[0] != plan(200).steps[0]
    drawn = sorted(draw(f"camera {number}", SHA) for number in range(2000))
    assert all(abs(value - place / 2000) < 0.05 for place, value in enumerate(drawn)), "evenly spread"


def test_newcomers_come_last_and_a_plan_survives_its_journal() -> None:
    grown = plan(20).with_newcomers(["camera 3", "new"])
    assert grown.steps[-1][-1] == "new" and len(grown) == 21 and grown.steps[:-1] == plan(20).steps[:-1]
    assert Plan.from_json(grown.to_json()) == grown


def test_what_a_camera_says_is_judged() -> None:
    def judged(waited_s: float = 1.0, **values) -> Outcome:
        return outcome(CameraStatus("door", **values), "b", waited_s, silent_s=60)

    assert judged(stage="confirmed", bundle="b") is Outcome.CONFIRMED
    assert judged(stage="active", bundle="b") is Outcome.WAITING
    assert judged(61, stage="active", bundle="b") is Outcome.SILENT
    assert judged(stage="confirmed", bundle="a", bad={"b": "it froze"}) is Outcome.FAILED
    assert judged(stage="confirmed", bundle="a") is Outcome.WAITING
    assert judged(stage="away", bundle="b") is Outcome.WAITING
    assert outcome(None, "b", 1, 60) is Outcome.WAITING and outcome(None, "b", 61, 60) is Outcome.SILENT


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({}, "one of"),
        (
            {"cameras": [{"name": "a", "address": "ssh://a"}], "greengrass": {"target": "thing/a", "bucket": "abc"}},
            "one",
        ),
        ({"cameras": [{"name": "a", "address": "ssh://a"}, {"name": "a", "address": "ssh://b"}]}, "same name"),
        ({"cameras": [{"name": "a", "address": "ssh://me:secret@a"}]}, "password"),
        ({"cameras": [{"name": "a", "address": "http://a"}]}, "ssh://"),
        ({"cameras": [{"name": "a", "address": "ssh://-oProxyCommand=x"}]}, "ssh://"),
        ({"cameras": [{"name": "a", "address": "ssh://a"}], "rollout": {"steps": [0.5, 0.2, 1.0]}}, "rise"),
        ({"cameras": [{"name": "a", "address": "ssh://a"}], "rollout": {"steps": [0.5]}}, "rise"),
        ({"cameras": [{"name": "a", "address": "ssh://a"}], "ssh": {"jump": "a -oProxyCommand=x"}}, "jump"),
        ({"cameras": [{"name": "a", "address": "ssh://a"}], "reports": {"host": "b", "state_topic": "x/#"}}, "level"),
    ],
)
def test_a_fleet_that_cannot_be_is_refused(values, key) -> None:
    with pytest.raises(BadConfig, match=key) as caught:
        validate(Fleet, values, where="fleet.toml")
    assert "secret" not in str(caught.value)


def test_paths_are_relative_to_the_file_and_have_to_exist(tmp_path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text('[ssh]\nkey = "id"\n[[cameras]]\nname = "door"\naddress = "ssh://door.lan"\n')
    with pytest.raises(BadConfig, match="does not exist"):
        load_fleet(file)
    (tmp_path / "id").touch()
    assert load_fleet(file).ssh.key == tmp_path / "id"
    with pytest.raises(BadConfig, match="ssh://USER@HOST") as caught:
        load_fleet(tmp_path / "none.toml")
    assert caught.value.code == "RL-CONFIG-001"
    assert single("ssh://me@door.lan:2222").cameras[0].name == "door.lan"
    for address in ("ssh://me:secret@door.lan", "ftp://me:secret@door.lan", "ssh://[", "ssh://"):
        with pytest.raises(BadConfig, match="ssh://") as caught:
            single(address)
        assert "secret" not in str(caught.value)
