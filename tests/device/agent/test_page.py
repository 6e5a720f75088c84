"""The live page of a real agent in a real browser: events, bundles, and what one can do about them."""

import http.client
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from relens.bundle import write_bundle
from relens.device.agent import Standing, Store, install
from relens.device.agent.key import page_address, page_token
from relens.graph import Graph, with_signature
from relens.spec import camera_settings

pytestmark = pytest.mark.alone


@dataclass(frozen=True)
class Kept:
    """A camera with a confirmed bundle and one on trial, and its agent's page."""

    store: Store
    port: int
    good: str
    new: str

    def ask(self, verb: str, path: str, token: bool = True, **headers: str) -> tuple[int, bytes]:
        cookie = {"Cookie": f"relens-{self.port}={page_token(self.store)}"} if token else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        connection.request(
            verb, path, headers={**cookie, **{key.replace("_", "-"): one for key, one in headers.items()}}
        )
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found


@pytest.fixture
def kept(yolox_bundle, yolox_graph, shared_clip, tmp_path, until, running) -> Iterator[Kept]:
    store, graph = Store(tmp_path / "state"), with_signature(Graph.read(yolox_graph))
    ids = []
    for name in ("bottles", "bottles-2"):
        manifest = yolox_bundle.manifest.model_copy(update={"name": name})
        write_bundle(tmp_path / f"{name}.relens", manifest, graph, yolox_bundle.labels, yolox_bundle.golden)
        ids.append(install(store, tmp_path / f"{name}.relens"))
        store.confirm(ids[0])
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "camera.toml").write_text(
        f'[camera]\nsource = "{shared_clip}"\n[page]\nport = {port}\n[agent]\nconfirm_after_s = 1000\n'
        '[[events]]\nname = "bottle on the table"\nlabels = ["bottle"]\ndwell_s = 0.3\nclear_s = 0.5\n'
    )
    with running(store, camera_settings(tmp_path / "camera.toml")):
        camera = Kept(store, port, *ids)
        until((store.folder / "page").is_symlink)
        yield camera


def test_events_are_shown_with_their_pictures_and_bundles_confirmed_and_rolled_back(
    kept: Kept, browser, tmp_path: Path
) -> None:
    said: list[str] = []
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(page_address(kept.store))
    page.wait_for_selector("#state[data-is=live]", timeout=30_000)
    page.wait_for_selector(f"#bundles li[data-id='{kept.new}'][data-stage=active]", timeout=10_000)
    page.wait_for_selector(f"#bundles li[data-id='{kept.good}'][data-stage=kept]")

    page.wait_for_selector("#found li[data-label=bottle] .track", timeout=60_000)
    page.locator("#events button").first.click(timeout=60_000)
    page.wait_for_selector("#shown[open]")
    for _ in range(100):
        if page.evaluate("document.getElementById('shown-picture').naturalWidth") > 300:
            break
        page.wait_for_timeout(50)
    assert page.evaluate("document.getElementById('shown-picture').naturalWidth") == 640
    assert page.text_content("#shown-title") == "bottle on the table"
    page.keyboard.press("Escape")
    page.screenshot(path=tmp_path / "page.png")

    page.click("#confirm")
    assert "bottles-2" in page.text_content("#ask-text")
    page.click("#ask-no")
    assert kept.store.standing().on_trial, "asked, and left"
    page.focus("#confirm")
    page.keyboard.press("Enter")
    page.click("#ask-yes")
    page.wait_for_selector(f"#bundles li[data-id='{kept.new}'][data-stage=confirmed]", timeout=10_000)
    assert kept.store.standing() == Standing(kept.new, kept.new, kept.good)
    assert page.is_disabled("#confirm")

    page.click("#rollback")
    page.click("#ask-yes")
    page.wait_for_selector(f"#hash:text-is('{kept.good}')", timeout=30_000)
    page.wait_for_selector("#state[data-is=live]", timeout=30_000)
    page.wait_for_selector(f"#bundles li[data-id='{kept.new}'][data-stage=bad]", timeout=10_000)
    assert kept.store.standing().active == kept.good
    assert page.is_disabled("#rollback")

    # Somebody else was faster: the button was there when it was pressed.
    page.evaluate("document.getElementById('rollback').disabled = false; document.getElementById('rollback').click()")
    page.click("#ask-yes")
    page.wait_for_selector("#ask-text:has-text('nothing to go back to')", timeout=10_000)
    assert "RL-DEVICE-005" in page.text_content("#ask-text")
    page.keyboard.press("Escape")

    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()
    assert said == []


def test_nobody_else_can_act(kept: Kept, until) -> None:
    own = f"http://127.0.0.1:{kept.port}"
    until(lambda: kept.ask("GET", "/api/bundles")[0] == 200)
    for path in ("/api/confirm", "/api/rollback"):
        assert kept.ask("POST", path, token=False, X_Relens="1", Origin=own)[0] == 401
        assert kept.ask("POST", path, Origin=own) == (
            403,
            b"an action comes with the header X-Relens: 1\n",
        )
        assert kept.ask("POST", path, X_Relens="1", Origin="http://example.org") == (
            403,
            b"an action comes from the page itself: wrong origin\n",
        )
        assert kept.ask("POST", path, X_Relens="1", Origin="null") == (
            403,
            b"an action comes from the page itself: wrong origin\n",
        )
        assert kept.ask("GET", path)[0] == 405
    for path in ("/api/events", "/api/bundles", "/events/1.jpg"):
        assert kept.ask("GET", path, token=False)[0] == 401
    assert kept.ask("GET", "/events/999999.jpg")[0] == 404
    standing = kept.store.standing()
    assert (standing.active, standing.good) == (kept.new, kept.good)


def test_what_cannot_be_done_is_told_as_the_command_line_tells_it(kept: Kept, until) -> None:
    until(lambda: kept.ask("GET", "/api/bundles")[0] == 200)
    kept.store.roll_back("by hand")

    def refused() -> bool:
        try:
            status, body = kept.ask("POST", "/api/rollback", X_Relens="1", Origin=f"http://127.0.0.1:{kept.port}")
        except OSError:
            return False  # the bundles are changing
        return status == 409 and b"RL-DEVICE-005" in body

    until(refused)
