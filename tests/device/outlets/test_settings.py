"""What a webhook's settings refuse, and that its files are found."""

from pathlib import Path

import pytest

from relens.errors import BadConfig
from relens.spec.camera import WebhookSettings, camera_settings


def test_a_token_goes_over_tls_or_stays_on_this_machine(tmp_path: Path) -> None:
    for url in ("https://example.com/e", "http://localhost:80/e", "http://127.0.0.1/e", "http://[::1]/e"):
        WebhookSettings(url=url, token_file=tmp_path)
    WebhookSettings(url="http://example.com/e")
    with pytest.raises(ValueError, match="in the clear"):
        WebhookSettings(url="http://example.com/e", token_file=tmp_path)


@pytest.mark.parametrize("url", ["https:///path", "https://host:x/", "https://me:secret@host/", "https://höst/"])
def test_an_address_names_a_host_and_no_password(url: str) -> None:
    with pytest.raises(ValueError, match="an address"):
        WebhookSettings(url=url)


def test_the_files_of_a_webhook_stand_beside_camera_toml(tmp_path: Path) -> None:
    file = tmp_path / "camera.toml"
    (tmp_path / "ca.pem").touch()
    text = '[camera]\nsource = "0"\n[webhook]\nurl = "https://host/"\nca = "{}"\n'
    file.write_text(text.format("ca.pem"))
    webhook = camera_settings(file).webhook
    assert webhook is not None
    assert webhook.ca == tmp_path / "ca.pem"
    file.write_text(text.format("no.pem"))
    with pytest.raises(BadConfig, match=r"RL-CONFIG-003: .*no\.pem does not exist"):
        camera_settings(file)
