"""Who may read and write what."""

import os
from pathlib import Path

import pytest

from relens.device.agent import Store
from relens.device.doctor.rights import check_inbox, check_secret, check_store, check_token

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to others")


def secret(path: Path, mode: int, text: str = "open sesame") -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_password_is_for_its_owner_and_group_only(tmp_path: Path) -> None:
    modes = {mode: check_secret(secret(tmp_path / f"{mode:o}", mode)).ok for mode in (0o600, 0o640, 0o644, 0o606)}
    assert modes == {0o600: True, 0o640: True, 0o644: False, 0o606: False}


def test_what_the_finding_says_mends_it(tmp_path: Path) -> None:
    file = secret(tmp_path / "my password", 0o644)
    assert "644" in check_secret(file).text
    assert os.system(check_secret(file).mend) == 0
    assert check_secret(file).ok is True


def test_a_password_has_to_be_there_and_to_hold_something(tmp_path: Path) -> None:
    missing, empty = check_secret(tmp_path / "nothing"), check_secret(secret(tmp_path / "empty", 0o600, ""))
    assert (missing.ok, empty.ok) == (False, False) and "not there" in missing.text and "empty" in empty.text


def test_a_password_that_systemd_hands_over_is_looked_at_there(tmp_path: Path, monkeypatch) -> None:
    file = secret(tmp_path / "password", 0o644)
    handed = tmp_path / "handed"
    handed.mkdir()
    secret(handed / "-".join(file.parts[1:]), 0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert check_secret(file).ok is True


@needs_root
def test_a_password_of_root_is_not_wrong_for_somebody_else(open_place: Path, as_nobody) -> None:
    file = secret(open_place / "password", 0o600)
    found = as_nobody(lambda: check_secret(file))
    assert found.ok is None and "handed over" in found.text, found


def test_a_store_of_ones_own_is_fine_and_one_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    Store(tmp_path / "state")
    assert check_store(tmp_path / "state").ok is True
    assert check_store(tmp_path / "other" / "state").ok is True and not (tmp_path / "other").exists()


def test_a_store_that_everybody_may_write_to_is_wrong(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Store(state)
    state.chmod(0o777)
    assert check_store(state).ok is False
    state.chmod(0o755)
    assert check_store(state).ok is True


def test_a_file_is_no_store(tmp_path: Path) -> None:
    assert check_store(secret(tmp_path / "file", 0o600)).ok is False


@needs_root
def test_what_root_left_in_the_agents_store_is_found_and_given_back(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Store(state)
    for path in (state, *state.rglob("*")):
        os.chown(path, 65534, 65534)
    assert check_store(state).ok is True
    (state / "bundles" / "new").mkdir()

    found = check_store(state)

    assert found.ok is False and "bundles/new" in found.text, found
    assert os.system(found.mend) == 0
    assert check_store(state).ok is True


@needs_root
def test_a_store_of_somebody_else_is_closed(open_place: Path, as_nobody) -> None:
    Store(open_place / "state")
    found, new = as_nobody(lambda: (check_store(open_place / "state"), check_store(open_place / "new")))
    assert found.ok is False and "user 0's" in found.text and found.mend.startswith("sudo relens device doctor"), found
    assert new.ok is False and new.mend.startswith("sudo install -d -o 65534 "), new
    (open_place / "hidden").mkdir(mode=0o700)
    assert as_nobody(lambda: check_store(open_place / "hidden" / "state")).ok is None


def test_the_key_of_the_page_is_the_owners(tmp_path: Path) -> None:
    assert list(check_token(tmp_path)) == []
    secret(tmp_path / "token", 0o600)
    assert [found.ok for found in check_token(tmp_path)] == [True]
    (tmp_path / "token").chmod(0o604)
    assert [found.ok for found in check_token(tmp_path)] == [False]


def test_bundles_that_wait_for_nobody_are_told(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert list(check_inbox(tmp_path, False)) == []
    store.inbox.put(b"a bundle")
    assert [found.ok for running in (True, False) for found in check_inbox(tmp_path, running)] == [None, False]
