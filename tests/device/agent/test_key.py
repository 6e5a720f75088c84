"""The key of the live page: the same through every start, and nobody else's."""

import socket
import urllib.error
import urllib.request

import pytest

from relens.device.agent import Store, install
from relens.device.agent.key import note_page, page_address, page_token
from relens.errors import DeviceTrouble
from relens.spec import camera_settings


def test_the_key_is_made_once_and_is_readable_by_its_owner_alone(tmp_path) -> None:
    store = Store(tmp_path / "state")

    token = page_token(store)

    assert page_token(Store(tmp_path / "state")) == token and len(token) >= 32
    assert (store.folder / "token").stat().st_mode & 0o777 == 0o600
    with pytest.raises(DeviceTrouble, match="RL-DEVICE-012"):
        page_address(store)
    note_page(store, "http://127.0.0.1:8080/")
    assert page_address(store) == f"http://127.0.0.1:8080/?token={token}"


def test_a_key_that_is_not_ones_own_is_told_as_such(tmp_path) -> None:
    store = Store(tmp_path / "state")
    (store.folder / "token").mkdir()
    note_page(store, "http://127.0.0.1:8080/")
    with pytest.raises(DeviceTrouble, match="RL-DEVICE-004"):
        page_address(store)


@pytest.mark.alone
def test_the_page_opens_with_the_same_key_after_a_rollback_and_the_agent_never_says_it(
    good_and_new, clip, until, running
) -> None:
    store, good, _ = good_and_new
    with running(store, camera_settings(source=str(clip), port=0)) as said:
        until(lambda: serves(store))
        before = page_address(store)
        store.roll_back("by hand")
        until(lambda: page_address(store) != before and serves(store))  # a free port is another one each time
    token = page_token(store)
    assert before.endswith(f"?token={token}")
    assert store.standing().active == good
    assert token not in "".join(said) + store.journal.path.read_text()


def serves(store: Store) -> bool:
    """Whether the page opens with its key."""
    try:
        with urllib.request.urlopen(page_address(store), timeout=2) as answer:
            return answer.status == 200
    except (DeviceTrouble, urllib.error.URLError):
        return False


def test_installing_makes_no_key(write, tmp_path) -> None:
    store = Store(tmp_path / "state")
    install(store, write("one"))
    assert not (store.folder / "token").exists()


@pytest.mark.alone
def test_a_camera_whose_page_cannot_be_served_runs_without(good_and_new, clip, until, running) -> None:
    store, _, new = good_and_new
    with socket.create_server(("127.0.0.1", 0)) as other:
        settings = camera_settings(source=str(clip), port=other.getsockname()[1], confirm_after_s=0.5)
        with running(store, settings) as said:
            until(lambda: store.standing().good == new)
    assert "no live page: RL-DEVICE-001" in "".join(said)
    assert any(fact["event"] == "no live page" for fact in store.journal)
