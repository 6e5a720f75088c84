"""What an agent's page shows and does, over plain HTTP: a real camera's folder, a real event log."""

import http.client
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from relens.device.agent import Store
from relens.device.agent.side import StoreSide
from relens.device.events.log import EventLog
from relens.device.live import About, LivePage
from relens.device.loop import LoopStatus
from relens.errors import DeviceTrouble
from relens.spec import KeepSettings

GOOD, NEW = "a" * 12, "b" * 12
STATUS = LoopStatus(9, 1, 8, 0, 29.5, 3.0, 0.1, {})
ACTIONS = ("/api/confirm", "/api/rollback")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A confirmed bundle, and another one on trial."""
    store = Store(tmp_path / "state")
    for bundle, name in ((GOOD, "good"), (NEW, "new")):
        (store.bundles / bundle).mkdir()
        store.accept(bundle, json.dumps({"name": name}).encode())
        store.activate(bundle)
        if bundle == GOOD:
            store.confirm(bundle)
    return store


@pytest.fixture
def log(store: Store) -> Iterator[EventLog]:
    log = EventLog(store.events, KeepSettings())
    yield log
    log.close()


@pytest.fixture
def page(store: Store, log: EventLog) -> Iterator[LivePage]:
    about = About("new", NEW + "0" * 52, "litert 2", "a clip", ())
    with LivePage(about, lambda: STATUS, port=0, side=StoreSide(store, log)) as page:
        yield page


def ask(page: LivePage, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    result = answer.status, answer.read()
    connection.close()
    return result


def rights(page: LivePage) -> dict[str, str]:
    """What the page itself sends with an action."""
    origin = f"http://127.0.0.1:{page.port}"
    return {"Cookie": f"relens-{page.port}={page.token}", "Origin": origin, "X_Relens": "1"}


def get(page: LivePage, path: str) -> Mapping:
    code, body = ask(page, path, Authorization=f"Bearer {page.token}")
    assert code == 200, body
    return json.loads(body)


def test_bundles_are_told_as_the_command_line_tells_them(page) -> None:
    found = get(page, "/api/bundles")
    assert (found["active"], found["good"], found["fallback"]) == (NEW, GOOD, GOOD)
    assert [(one["id"], one["name"], one["stage"]) for one in found["bundles"]] == [
        (NEW, "new", "active"), (GOOD, "good", "kept"),
    ]  # fmt: skip


def test_events_come_newest_first_and_so_many_as_asked_for(page, log) -> None:
    assert get(page, "/api/events") == []
    for place in range(30):
        log.append({"event": "bottle", "place": place}, b"a jpeg" if place == 29 else None)

    newest = get(page, "/api/events?limit=2")

    assert newest == [
        {"number": 30, "event": "bottle", "place": 29, "has_picture": True},
        {"number": 29, "event": "bottle", "place": 28, "has_picture": False},
    ]
    assert len(get(page, "/api/events")) == 30
    for limit in ("0", "201", "-1", "x", "", "1" * 30, "%C2%B2"):
        code, body = ask(page, f"/api/events?limit={limit}", **rights(page))
        assert (code, body) == (400, b"limit is a number from 1 to 200\n"), limit


def test_an_events_picture_is_there_or_not_found(page, log) -> None:
    log.append({"event": "bottle"}, b"a jpeg")
    log.append({"event": "bottle"})
    assert ask(page, "/events/1.jpg", **rights(page)) == (200, b"a jpeg")
    for number in ("2", "3", "9" * 40, "0"):
        assert ask(page, f"/events/{number}.jpg", **rights(page))[0] == 404, number
    assert ask(page, "/events/-1.jpg", **rights(page))[0] == 404


def test_what_runs_is_confirmed(page, store) -> None:
    code, body = ask(page, "/api/confirm", "POST", **rights(page))
    assert (code, json.loads(body)["good"]) == (200, NEW)
    assert store.standing().good == NEW


def test_a_rollback_goes_back_and_a_second_click_goes_no_further(page, store) -> None:
    store.confirm(NEW)

    code, body = ask(page, f"/api/rollback?bundle={NEW}", "POST", **rights(page))
    assert (code, json.loads(body)["active"]) == (200, GOOD)
    assert store.stored()[NEW].bad == "rolled back on the live page"

    code, body = ask(page, f"/api/rollback?bundle={NEW}", "POST", **rights(page))
    assert (code, json.loads(body)["active"]) == (200, GOOD)
    assert store.stored()[GOOD].bad is None


def test_a_rollback_to_nowhere_says_so_with_its_code(page, store) -> None:
    store.roll_back("so that there is one only")
    code, body = ask(page, f"/api/rollback?bundle={GOOD}", "POST", **rights(page))
    said = json.loads(body)
    assert (code, said["code"]) == (409, "RL-DEVICE-005")
    assert "nothing to go back to" in said["message"] and "relens device install" in said["hint"]
    assert store.standing().active == GOOD


@pytest.mark.parametrize("path", ACTIONS)
@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"Cookie": ""}, 401, "?token="),
        ({"Cookie": "", "Authorization": "Bearer TOKEN"}, 403, "cookie"),
        ({"Origin": "http://evil.example"}, 403, "origin"),
        ({"Origin": "null"}, 403, "origin"),
        ({"Origin": "http://127.0.0.1:1"}, 403, "origin"),
        ({"Origin": "http://evil.example", "Sec_Fetch_Site": "same-origin"}, 403, "origin"),
        ({"Origin": ""}, 403, "origin"),
        ({"Origin": "", "Sec_Fetch_Site": "cross-site"}, 403, "origin"),
        ({"Origin": "", "Sec_Fetch_Site": "same-site"}, 403, "origin"),
        ({"X_Relens": ""}, 403, "X-Relens"),
        ({"X_Relens": "2"}, 403, "X-Relens"),
        ({"Host": "evil.example"}, 400, "host name"),
    ],
)
def test_an_action_is_refused(page, store, path, change, code, says) -> None:
    before = store.standing()
    headers = rights(page) | {name: value.replace("TOKEN", page.token) for name, value in change.items()}

    found, body = ask(page, path, "POST", **{name: value for name, value in headers.items() if value})

    assert found == code
    assert says in body.decode() and body.decode().count("\n") == 1
    assert store.standing() == before


@pytest.mark.parametrize("path", ACTIONS)
def test_an_action_needs_post(page, store, path) -> None:
    before = store.standing()
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        assert ask(page, path, method, **rights(page))[0] == 405, method
    assert store.standing() == before


def test_an_action_of_the_page_is_known_by_its_fetch_site_where_there_is_no_origin(page, store) -> None:
    headers = rights(page) | {"Sec_Fetch_Site": "same-origin"}
    del headers["Origin"]
    assert ask(page, "/api/confirm", "POST", **headers)[0] == 200


def test_everything_here_needs_the_token(page) -> None:
    for path in ("/api/bundles", "/api/events", "/events/1.jpg", "/metrics", "/api/schema"):
        assert ask(page, path)[0] == 401, path
        assert ask(page, path, Authorization="Bearer wrong")[0] == 401, path
        assert ask(page, path, Authorization=f"Basic {page.token}")[0] == 401, path


def test_a_disk_that_cannot_be_read_is_told_with_its_code(page, store, monkeypatch) -> None:
    def refuse() -> Mapping:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Store, "stored", lambda self: refuse())
    code, body = ask(page, "/api/bundles", **rights(page))
    assert (code, json.loads(body)["code"]) == (409, "RL-DEVICE-004")
    with pytest.raises(DeviceTrouble, match=r"Input/output error"):
        StoreSide(store, EventLog(store.events, KeepSettings())).bundles()


def test_kept_events_are_counted_for_prometheus(page, log) -> None:
    log.append({"event": "bottle"})
    code, body = ask(page, "/metrics", Authorization=f"Bearer {page.token}")
    assert code == 200 and "\nrelens_events_kept 1\n" in body.decode()
