"""The agent and its service, as they are on a disk and as systemd tells of them."""

from pathlib import Path

import pytest

from relens.device.agent import Store
from relens.device.doctor.agent import active_bundle, check_agent, check_service, has_agent, judge_service

LOADED = {"LoadState": "loaded", "SubState": "x", "Result": "exit-code", "NRestarts": "2", "StatusText": "ab12: runs"}


@pytest.mark.parametrize(
    ("told", "ok", "mend"),
    [
        ({"LoadState": "not-found", "ActiveState": "inactive"}, None, "relens device service > "),
        ({"LoadState": "bad-setting", "ActiveState": "inactive"}, False, "systemd-analyze verify "),
        ({**LOADED, "ActiveState": "inactive"}, False, "systemctl enable --now relens.service"),
        ({**LOADED, "ActiveState": "failed"}, False, "journalctl -u relens.service -n 50"),
        ({**LOADED, "ActiveState": "activating"}, False, "journalctl -u relens.service -n 50"),
        ({**LOADED, "ActiveState": "active"}, True, ""),
    ],
)
def test_a_unit_is_judged_by_its_state(told: dict[str, str], ok: bool | None, mend: str) -> None:
    found = judge_service(told)
    assert found.ok is ok and found.mend.removeprefix("sudo ").startswith(mend), found
    assert ok is not True or "ab12: runs; 2 restart(s)" in found.text


def test_systemd_is_asked_where_it_runs_and_not_elsewhere(tmp_path: Path) -> None:
    asked = tmp_path / "systemctl"
    asked.write_text(
        '#!/bin/sh\n[ "$1 $2" = "show relens.service" ] && echo LoadState=loaded && echo ActiveState=failed\n'
    )
    asked.chmod(0o755)
    assert check_service(False, tmp_path / "no systemd", str(asked)).ok is None
    assert check_service(False, tmp_path, str(asked)).ok is False
    assert check_service(False, tmp_path, str(tmp_path / "nothing")).ok is None
    asked.write_text("#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n")
    assert "Failed to connect to bus" in check_service(False, tmp_path, str(asked)).text


def test_looking_makes_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert [found.ok for found in check_agent(state, has_agent(state))] == [None, None]
    assert active_bundle(state) is None and not state.exists()
    Store(state)
    before = sorted(state.rglob("*"))
    assert not has_agent(state) and active_bundle(state) is None
    assert [found.ok for found in check_agent(state, False)] == [None, None]
    assert sorted(state.rglob("*")) == before


def test_an_agent_is_noticed_for_as_long_as_it_runs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with store.agent():
        assert has_agent(tmp_path)
        assert [found.ok for found in check_agent(tmp_path, True)] == [None, True]
    assert not has_agent(tmp_path)
