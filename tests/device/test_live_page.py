"""The live page in a real browser, on a real clip, with a real detector."""

import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from queue import Queue

import pytest
from playwright.sync_api import Browser, Page

from relens.bundle.bundle import Bundle
from relens.device import LiveLoop, LoopStatus, open_camera
from relens.device.live import About, LivePage
from relens.device.model import load_model

pytestmark = pytest.mark.alone


@pytest.fixture(scope="module")
def url(yolox_bundle: Bundle, shared_clip: Path) -> Iterator[str]:
    """A loop on the clip, for as long as the tests of this module run."""
    model = load_model(yolox_bundle)
    camera = open_camera(str(shared_clip))
    loop = LiveLoop(camera, model)
    about = About("yolox", yolox_bundle.sha256, str(model.engine.report), camera.describe(), ("bottle",) * 40)
    trouble: Queue[BaseException] = Queue()

    def work() -> None:
        try:
            loop.run(page.publish)
        except BaseException as error:
            trouble.put(error)

    with LivePage(about, loop.status, port=0) as page:
        running = threading.Thread(target=work)
        running.start()
        yield page.url
        loop.stop()
        running.join()
    assert trouble.empty(), trouble.get()


@pytest.fixture
def opened(browser: Browser, url: str) -> Iterator[Page]:
    """The page, opened with its token; it must not say anything on the console."""
    said: list[str] = []
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#state[data-is=live]", timeout=20_000)
    yield page
    page.close()
    assert said == []


def wait_until(page: Page, holds: str) -> None:
    """Playwright's own `wait_for_function` needs `eval` in the page, and the page's policy forbids it."""
    for _ in range(200):
        if page.evaluate(holds):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never true: {holds}")


def pixels(page: Page) -> str:
    """The picture as it is shown now."""
    return page.evaluate(
        """() => {
            const picture = document.getElementById("picture"), canvas = document.createElement("canvas");
            canvas.width = 160; canvas.height = 90;
            canvas.getContext("2d").drawImage(picture, 0, 0, 160, 90);
            return canvas.toDataURL();
        }"""
    )


def boxes(page: Page) -> dict[str, list[str]]:
    """The boxes listed now, by label."""
    listed = page.eval_on_selector_all("#found li[data-box]", "all => all.map(one => ({...one.dataset}))")
    found: dict[str, list[str]] = {}
    for one in listed:
        found.setdefault(one["label"], []).append(one["box"])
    return found


def test_without_the_token_the_page_stays_closed(browser: Browser, url: str) -> None:
    page = browser.new_page()
    assert page.goto(url.partition("?")[0]).status == 401
    page.close()


def test_health_needs_no_token(opened: Page, url: str) -> None:
    assert urllib.request.urlopen(url.partition("?")[0] + "healthz").status == 200


def test_the_picture_shows_and_changes(opened: Page) -> None:
    wait_until(opened, "document.getElementById('picture').naturalWidth == 640")
    first = pixels(opened)
    opened.wait_for_timeout(500)
    assert pixels(opened) != first


def test_detections_are_listed_and_their_boxes_move(opened: Page) -> None:
    opened.wait_for_selector("#found li[data-label=bottle]", timeout=20_000)
    seen: set[str] = set()
    for _ in range(100):
        for box in boxes(opened).get("bottle", []):
            x1, y1, x2, y2 = (float(edge) for edge in box.split())
            assert 0 <= x1 < x2 <= 640 and 0 <= y1 < y2 <= 360, box
            seen.add(box)
        opened.wait_for_timeout(50)
        if len(seen) >= 5:
            break
    lefts = sorted(float(box.split()[0]) for box in seen)
    assert len(seen) >= 5 and lefts[-1] - lefts[0] > 1, seen
    opened.wait_for_selector("#found li[data-label=bottle] .label:text-is('bottle')", timeout=20_000)


def test_numbers_are_shown(opened: Page, url: str) -> None:
    wait_until(opened, "Number(document.getElementById('fps').textContent) > 0")
    stages = opened.eval_on_selector_all("#stages li", "all => all.map(one => one.textContent)")
    assert [text.split()[0].rstrip("0123456789.") for text in stages] == [
        "capture", "prepare", "infer", "decode", "publish",
    ]  # fmt: skip
    assert "litert" in opened.text_content("#engine")
    assert "MB" in opened.text_content("#memory")
    assert int(opened.text_content("#inferred").replace(",", "")) > 0
    assert "token" not in opened.url, "the address no longer shows the token"


def test_the_page_fits_a_telephone(opened: Page) -> None:
    opened.set_viewport_size({"width": 390, "height": 800})
    opened.wait_for_timeout(300)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_page_says_when_the_loop_is_gone(browser: Browser) -> None:
    page = browser.new_page()
    about = About("gone", "0" * 64, "engine", "camera", ())
    status = LoopStatus(0, 0, 0, 0, 0.0, 0.0, None, {})
    with LivePage(about, lambda: status, port=0) as server:
        page.goto(server.url)
        wait_until(page, "document.getElementById('word').textContent == 'waiting for frames'")
    page.wait_for_selector("#state[data-is=gone]", timeout=10_000)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz")
    page.close()


def test_the_page_says_when_the_camera_is_away_and_when_it_is_back(browser: Browser) -> None:
    page = browser.new_page()
    about = About("gone", "0" * 64, "engine", "rtsp://camera/1", ())
    status = LoopStatus(0, 0, 0, 0, 0.0, 0.0, None, {}, trouble="rtsp://camera/1 gives no more frames: timed out")
    with LivePage(about, lambda: status, port=0) as server:
        page.goto(server.url)
        page.wait_for_selector("#away:has-text('timed out')", timeout=10_000)
        assert page.text_content("#word") == "the camera is away"
        assert page.text_content("#camera") == "rtsp://camera/1"

        status = replace(status, trouble=None)
        page.wait_for_selector("#away", state="hidden", timeout=10_000)
    page.close()
