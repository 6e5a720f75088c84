"""The unit for an old systemd and for a new one; a real systemd reads both in tests/system."""

import os
from pathlib import Path

import pytest

from relens.device.agent import service_unit
from relens.spec import camera_settings

TOML = '[camera]\nsource = "rtsp://cam@10.0.0.5/1"\nname = "yard"\npassword_file = "{place}/password"\n'


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("relens.device.agent.service._check_readable", lambda _: None)  # tests live in closed folders
    (tmp_path / "password").write_text("secret")
    (tmp_path / "camera.toml").write_text(TOML.format(place=tmp_path))
    return tmp_path / "camera.toml"


def unit(settings: Path, systemd: int, memory: str = "75%") -> str:
    return service_unit(camera_settings(settings), settings, systemd=systemd, memory=memory)


def test_from_235_on_systemd_makes_user_and_state_and_hands_secrets_over(settings: Path) -> None:
    for systemd in (235, 252):
        text = unit(settings, systemd)
        assert "DynamicUser=yes" in text and "StateDirectory=relens" in text and "MemoryMax=75%" in text
        assert f"LoadCredential={'-'.join(settings.parent.parts[1:])}-password:{settings.parent}/password" in text


def test_before_that_root_does_it_first(settings: Path) -> None:
    text = unit(settings, 229)
    assert "DynamicUser" not in text.replace("# ", "") and "LoadCredential" not in text
    assert "User=relens" in text and "PermissionsStartOnly=yes" in text
    assert (
        f"/usr/bin/install -D -m 0400 -o relens -g relens {settings.parent}/password /run/relens-credentials/" in text
    )
    assert "Environment=CREDENTIALS_DIRECTORY=/run/relens-credentials" in text


def test_an_old_one_gets_its_memory_in_bytes(settings: Path) -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert f"MemoryLimit={total // 2}" in unit(settings, 229, "50%")
    assert "MemoryLimit=600M" in unit(settings, 229, "600M")


def test_only_known_keys_of_systemd_229_stand_in_the_old_unit(settings: Path) -> None:
    """Later ones would be passed over with a warning, and what they protect would not be protected."""
    later = ("ProtectProc", "ProtectClock", "ProtectHostname", "ProtectKernel", "StateDirectory", "MemoryMax",
             "OOMPolicy", "LockPersonality", "RestrictNamespaces", "RestrictSUIDSGID", "RestrictRealtime",
             "PrivateUsers", "RemoveIPC", "StartLimitIntervalSec", "ProtectControlGroups")  # fmt: skip
    lines = [line.partition("=")[0] for line in unit(settings, 229).splitlines() if not line.startswith("#")]
    assert not [line for line in lines if line.startswith(later)]
