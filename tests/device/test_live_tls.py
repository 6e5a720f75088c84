"""The page beyond this machine: HTTPS with a real certificate, or not at all."""

import http.client
import shlex
import ssl
import subprocess
from pathlib import Path

import pytest

from relens.device.agent.service import certificates, secrets
from relens.device.live import About, LivePage
from relens.device.loop import LoopStatus
from relens.errors import BadConfig, DeviceTrouble
from relens.spec import camera_settings

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("no_threads_left")]
ABOUT = About("bottles", "4f2a9c81" * 8, "litert 2", "a clip", ("bottle", "cup"))
STATUS = LoopStatus(9, 1, 8, 0, 29.5, 3.0, 0.1, {})


def written(folder: Path, page: str) -> Path:
    (folder / "camera.toml").write_text(f'[camera]\nsource = "0"\n[page]\n{page}\n')
    return folder / "camera.toml"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Made by the very command that the refusal prints."""
    folder = tmp_path_factory.mktemp("tls")
    with pytest.raises(BadConfig) as caught:
        camera_settings(written(folder, 'host = "0.0.0.0"\n'))
    command = caught.value.hint.partition(", then")[0]
    subprocess.run(shlex.split(command), cwd=folder, check=True, capture_output=True)
    return folder / "page.crt", folder / "page.key"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "camera.example", ""])
def test_beyond_loopback_the_page_is_refused_without_a_certificate(tmp_path, host) -> None:
    with pytest.raises(BadConfig, match=r"RL-CONFIG-003.*page.host.*clear(.|\n)*hint: openssl req -x509") as caught:
        camera_settings(written(tmp_path, f'host = "{host}"'))
    assert "certificate and key under [page]" in caught.value.hint
    with pytest.raises(BadConfig, match="RL-CONFIG-003"):
        LivePage(ABOUT, lambda: STATUS, host=host, port=0)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_on_loopback_it_needs_none(tmp_path, host) -> None:
    assert camera_settings(written(tmp_path, f'host = "{host}"')).page.host == host


def test_a_page_that_is_not_served_may_have_any_host(tmp_path) -> None:
    assert not camera_settings(written(tmp_path, 'host = "0.0.0.0"\nserve = false')).page.serve


def test_certificate_and_key_come_together_and_are_read_against_the_file(tmp_path, files) -> None:
    certificate, _ = files
    with pytest.raises(BadConfig, match="come together"):
        camera_settings(written(tmp_path, f'certificate = "{certificate}"'))
    with pytest.raises(BadConfig, match=r"RL-CONFIG-003.*no\.key does not exist"):
        camera_settings(written(tmp_path, f'certificate = "{certificate}"\nkey = "no.key"'))
    settings = camera_settings(written(certificate.parent, 'certificate = "page.crt"\nkey = "page.key"'))
    assert (settings.page.certificate, settings.page.key) == files
    assert (*certificates(settings), *secrets(settings)) == files, "the unit hands them over"


def test_with_both_the_page_is_https_and_its_cookie_never_leaves_without(files) -> None:
    certificate, key = files
    trust = ssl.create_default_context(cafile=certificate)
    with LivePage(ABOUT, lambda: STATUS, host="0.0.0.0", port=0, certificate=certificate, key=key) as page:
        assert page.url.startswith("https://")
        connection = http.client.HTTPSConnection("localhost", page.port, timeout=5, context=trust)
        connection.request("GET", f"/?token={page.token}")
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200 and answer.getheader("set-cookie").endswith("SameSite=Strict; Secure")
        connection.close()

        plain = http.client.HTTPConnection("localhost", page.port, timeout=5)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            plain.request("GET", f"/?token={page.token}")
            plain.getresponse()
        plain.close()


def test_the_page_works_over_https_in_a_browser(files, browser) -> None:
    certificate, key = files
    with LivePage(ABOUT, lambda: STATUS, host="0.0.0.0", port=0, certificate=certificate, key=key) as page:
        context = browser.new_context(ignore_https_errors=True)
        opened = context.new_page()
        opened.goto(f"https://127.0.0.1:{page.port}/?token={page.token}")
        opened.wait_for_selector("#state[data-is=waiting]:has-text('waiting for frames')", timeout=10_000)
        assert opened.url == f"https://127.0.0.1:{page.port}/"
        assert [one["secure"] for one in context.cookies()] == [True]
        context.close()


def test_a_key_that_cannot_be_used_has_a_code_and_a_way_out(files, tmp_path) -> None:
    certificate, key = files
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", key, "-aes256", "-passout", "pass:secret", "-out", locked]
    subprocess.run(command, check=True, capture_output=True)
    other = tmp_path / "other.key"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", other], check=True, capture_output=True)
    for wrong in (locked, other, certificate, tmp_path / "none.key"):
        with pytest.raises(DeviceTrouble, match=r"RL-DEVICE-001(.|\n)*openssl pkey"):
            LivePage(ABOUT, lambda: STATUS, port=0, certificate=certificate, key=wrong)


def test_an_address_that_is_not_ours_cannot_be_listened_at(files) -> None:
    certificate, key = files
    with pytest.raises(DeviceTrouble, match="RL-DEVICE-001"):
        LivePage(ABOUT, lambda: STATUS, host="203.0.113.9", port=0, certificate=certificate, key=key)
