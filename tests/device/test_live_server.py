import http.client
import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from threading import Event, Thread

import av
import cv2
import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from relens.device.events.event import Thing
from relens.device.live import About, LivePage
from relens.device.live.routes import page as html
from relens.device.live.status import Status
from relens.device.loop import LiveFrame, LoopStatus
from relens.device.timings import StageTime, Timings
from relens.errors import DeviceTrouble
from relens.vision import Classes, Detections, Tensors

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("no_threads_left")]
ABOUT = About("bottles", "4f2a9c81" * 8, "litert 2", "a clip", ("bottle", "cup"))
Answer = tuple[int, dict[str, str], bytes]


def status(since_s: float | None = 0.1) -> LoopStatus:
    return LoopStatus(9, 1, 8, 0, 29.5, 3.0, since_s, {"infer": StageTime(12.0, 15.0)})


def live_frame(number: int, level: int = 90, score: float = 0.9) -> LiveFrame:
    found = Detections(np.array([[10, 20, 30, 40]], np.float32), np.array([score], np.float32), np.array([1], np.int64))
    return LiveFrame(number, np.full((60, 80, 3), level, np.uint8), found, {"infer": 12.0}, 25.0)


@contextmanager
def serving(state: Callable[[], LoopStatus] = status) -> Iterator[LivePage]:
    with LivePage(ABOUT, state, port=0) as page:
        yield page


def get(page: LivePage, path: str, **headers: str) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    result = answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read()
    connection.close()
    return result


def with_token(page: LivePage, path: str) -> str:
    return f"{path}?token={page.token}"


def test_without_the_token_every_route_but_healthz_is_closed() -> None:
    with serving() as page:
        for path in ("/", "/stream.mjpg", "/snapshot.jpg", "/api/status", "/nothing", "/?token=", "/?token=wrong"):
            code, headers, body = get(page, path)
            assert (code, "set-cookie" in headers) == (401, False), path
            assert page.token.encode() not in body
        assert get(page, "/healthz")[0] == 200
        assert get(page, "/", Cookie=f"relens-{page.port}=wrong")[0] == 401


def test_the_token_opens_the_page_once_and_its_cookie_from_then_on() -> None:
    with serving() as page:
        code, headers, body = get(page, with_token(page, "/"))
        assert (code, body.decode()) == (200, html())
        cookie, _, attributes = headers["set-cookie"].partition("; ")
        assert attributes == "Path=/; HttpOnly; SameSite=Strict"
        assert get(page, "/api/status", Cookie=f"other=1; {cookie}")[0] == 200
        assert "set-cookie" not in get(page, "/api/status", Cookie=cookie)[1]


def test_no_answer_gives_the_token_to_somebody_who_does_not_know_it() -> None:
    with serving() as page:
        for path in ("/healthz?token=x", "/?token=x", "/healthz?token="):
            code, headers, body = get(page, path)
            assert page.token not in str(headers) + body.decode(), (path, code)


def test_the_page_gets_a_new_token_each_time_or_the_given_one() -> None:
    with LivePage(ABOUT, status, port=0) as one, LivePage(ABOUT, status, port=0, token="mine") as other:
        assert len(one.token) >= 32 and one.token != other.token == "mine"
        assert other.url == f"http://127.0.0.1:{other.port}/?token=mine"


def test_a_foreign_host_name_is_refused_and_addresses_are_not() -> None:
    with serving() as page:
        code = {host: get(page, with_token(page, "/"), Host=host)[0] for host in ("evil.example", "[", "")}
        assert set(code.values()) == {400}, code
        for host in ("localhost:1234", "192.168.1.7", "[::1]:80", socket.gethostname()):
            assert get(page, with_token(page, "/"), Host=host)[0] == 200, host


def test_every_answer_carries_the_security_headers() -> None:
    with serving() as page:
        for path in (with_token(page, "/"), "/", "/healthz"):
            headers = get(page, path)[1]
            assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'sha256-")
            assert headers["referrer-policy"] == "no-referrer"
            assert headers["cache-control"] == "no-store"
            assert headers["x-content-type-options"] == "nosniff"
            assert "server" not in headers


def test_the_page_needs_nothing_from_elsewhere() -> None:
    addresses = set(re.findall(r"https?://[^'\"\s)]+", html()))
    assert addresses <= {"http://www.w3.org/2000/svg"}, addresses
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", html()), "the policy forbids inline handlers and styles"


def test_health_follows_the_newest_inferred_frame() -> None:
    for since_s, expected in ((None, 503), (1.0, 200), (60.0, 503)):
        with serving(lambda since_s=since_s: status(since_s)) as page:
            code, _, body = get(page, "/healthz")
            assert (code, json.loads(body)["healthy"]) == (expected, expected == 200)


def test_the_snapshot_is_the_newest_frame_with_its_boxes() -> None:
    with serving() as page:
        assert get(page, with_token(page, "/snapshot.jpg"))[0] == 503
        page.publish(live_frame(1))
        code, headers, body = get(page, with_token(page, "/snapshot.jpg"))
        picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
        assert (code, headers["content-type"], picture.shape) == (200, "image/jpeg", (60, 80, 3))
        assert abs(int(picture[55, 75].mean()) - 90) < 8 and np.ptp(picture[25:45, 5:35]) > 60


def test_the_status_says_everything_in_json() -> None:
    with serving() as page:
        assert json.loads(get(page, with_token(page, "/api/status"))[2])["frame"] is None
        page.publish(live_frame(7))
        found = json.loads(get(page, with_token(page, "/api/status"))[2])
        assert found["about"] == {
            "name": "bottles", "sha256": "4f2a9c81" * 8, "engine": "litert 2", "camera": "a clip",
        }  # fmt: skip
        assert (found["frame"]["number"], found["frame"]["width"]) == (7, 80)
        detection = found["frame"]["prediction"]["detections"][0]
        assert (detection["label"], detection["box"]) == ("cup", [10.0, 20.0, 30.0, 40.0])
        assert found["loop"]["stages"] == {"infer": {"median_ms": 12.0, "p90_ms": 15.0}}
        assert found["memory"]["peak_mb"] >= found["memory"]["resident_mb"] > 10


def test_the_status_is_as_its_schema_says() -> None:
    with serving() as page:
        schema = json.loads(get(page, with_token(page, "/api/schema"))[2])
        Status.model_validate_json(get(page, with_token(page, "/api/status"))[2])
        shape = (4, 6, 3)
        for prediction in (
            live_frame(7).prediction,
            Classes(np.array([0.1, 0.9], np.float32)),
            Tensors({"scores": np.zeros((1, 2), np.float32)}),
        ):
            page.publish(LiveFrame(7, np.zeros(shape, np.uint8), prediction, {}, 25.0))
            Status.model_validate_json(get(page, with_token(page, "/api/status"))[2])
    assert schema == Status.model_json_schema()
    assert set(schema["required"]) == set(schema["properties"]) >= {"about", "frame", "loop", "memory", "viewers"}


def test_followed_things_go_by_their_ids() -> None:
    things = [Thing(7, "cup", 0.9, row=0), Thing(8, "cup", 0.8, row=1)]
    with LivePage(ABOUT, status, port=0, things=lambda: tuple(things)) as page:
        page.publish(live_frame(1))
        assert found_tracks(page) == [7]
        things.clear()
        assert found_tracks(page) == [7], "what was followed on that frame"
        page.publish(live_frame(2))
        assert found_tracks(page) == [None]


def found_tracks(page: LivePage) -> list[int | None]:
    found = json.loads(get(page, with_token(page, "/api/status"))[2])
    return [detection["track"] for detection in found["frame"]["prediction"]["detections"]]


def test_without_an_agent_there_is_nothing_to_show_and_to_do_beside_the_picture() -> None:
    with serving() as page:
        assert json.loads(get(page, with_token(page, "/api/status"))[2])["kept"] is False
        for path in ("/api/bundles", "/api/events", "/events/1.jpg"):
            assert get(page, with_token(page, path))[0] == 404, path
        assert b"events_kept" not in get(page, with_token(page, "/metrics"))[2]


def test_prometheus_reads_counters_and_a_histogram_of_every_stage() -> None:
    timings = Timings()
    for duration_ms in (0.5, 1.0, 7.0, 9000.0):
        timings.add("infer", duration_ms)
    state = replace(status(), histograms=timings.histograms(), trouble="away", lost=2)
    with serving(lambda: state) as page:
        code, headers, body = get(page, "/metrics", Authorization=f"Bearer {page.token}")
    assert (code, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    lines = body.decode().splitlines()
    samples = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    for name, value in (("captured", "9"), ("dropped", "1"), ("inferred", "8"), ("failed", "0")):
        assert samples[f"relens_frames_{name}_total"] == value
    assert (samples["relens_camera_up"], samples["relens_camera_lost_total"], samples["relens_viewers"]) == (
        "0",
        "2",
        "0",
    )
    assert float(samples["relens_resident_memory_bytes"]) > 1e7
    infer = {key: value for key, value in samples.items() if 'stage="infer"' in key}
    bounds = [value for key, value in infer.items() if "_bucket" in key]
    assert bounds == ["2", "2", "2", "3", "3", "3", "3", "3", "3", "3", "3", "4"]
    assert infer['relens_stage_duration_seconds_count{stage="infer"}'] == "4"
    assert infer['relens_stage_duration_seconds_sum{stage="infer"}'] == "9.008500"
    described = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert all(key.partition("{")[0].removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") in described
               for key in samples)  # fmt: skip


def open_stream(page: LivePage) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=5)
    connection.request("GET", with_token(page, "/stream.mjpg"))
    return connection, connection.getresponse()


def next_part(answer: http.client.HTTPResponse) -> bytes:
    while not (line := answer.readline()).lower().startswith(b"content-length"):
        assert line, "the stream ended"
    answer.readline()
    return answer.read(int(line.split(b":")[1]))


def web_socket(page: LivePage, **options):
    return connect(f"ws://127.0.0.1:{page.port}" + with_token(page, "/ws"), open_timeout=5, **options)


def test_viewers_get_picture_and_message_of_the_same_frame() -> None:
    with serving() as page, web_socket(page) as messages:
        page.publish(live_frame(1, level=40))
        message = json.loads(messages.recv(timeout=5))
        assert (message["frame"]["number"], message["frame"]["age_ms"], message["loop"]["fps"]) == (1, 25.0, 29.5)
        connection, answer = open_stream(page)
        assert answer.getheader("content-type") == "multipart/x-mixed-replace; boundary=relens"
        for number, level in ((2, 80), (3, 160)):
            time.sleep(0.1)
            page.publish(live_frame(number, level))
            picture = next_part(answer)
            while abs(decoded(picture)[55, 75].mean() - level) > 8:
                picture = next_part(answer)
        connection.close()


@pytest.mark.parametrize("shown", ["address", "header"])
def test_the_stream_is_one_that_other_programs_can_open(shown) -> None:
    with serving() as page, ExitStack() as stack:
        stop = Event()
        feeder = Thread(target=lambda: [page.publish(live_frame(k)) for k in iter(lambda: not stop.wait(0.03), False)])
        feeder.start()
        stack.callback(feeder.join)
        stack.callback(stop.set)
        address, options = page.address + "stream.mjpg", {"headers": f"Authorization: Bearer {page.token}\r\n"}
        if shown == "address":
            address, options = f"{address}?token={page.token}", {}
        stream = stack.enter_context(av.open(address, options=options, timeout=5))
        sizes = [(frame.width, frame.height) for frame, _ in zip(stream.decode(video=0), range(10), strict=False)]
        assert sizes == [(80, 60)] * 10


def decoded(jpeg: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_one_encode_serves_all_viewers_at_most_fifteen_times_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[float] = []
    encode = cv2.imencode
    monkeypatch.setattr(cv2, "imencode", lambda *work: encoded.append(time.monotonic()) or encode(*work))

    def publish_for(page: LivePage, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            page.publish(live_frame(1))
            time.sleep(0.005)

    with serving() as page:
        publish_for(page, 0.2)
        assert not encoded, "nobody watches"
        with web_socket(page), web_socket(page), web_socket(page):
            publish_for(page, 1.0)
        assert 8 <= len(encoded) <= 17, f"{len(encoded)} pictures for three viewers in a second"


def test_a_viewer_who_does_not_read_holds_nobody_up() -> None:
    with serving() as page, socket.create_connection(("127.0.0.1", page.port)) as sleeper:
        sleeper.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = f"GET {with_token(page, '/stream.mjpg')} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        sleeper.sendall(request.encode())
        noise = np.random.default_rng(0).integers(0, 255, (720, 1280, 3), np.uint8)
        with web_socket(page) as messages:
            for number in range(30):
                large = live_frame(number)
                began = time.monotonic()
                page.publish(LiveFrame(number, noise, large.prediction, {}, 1.0))
                assert time.monotonic() - began < 0.05
                time.sleep(0.02)
            numbers = [json.loads(messages.recv(timeout=5))["frame"]["number"] for _ in range(3)]
        assert numbers == sorted(set(numbers))


def test_when_all_seats_are_taken_the_next_viewer_is_told_so_and_seats_come_free_again() -> None:
    with serving() as page:
        streams = [open_stream(page) for _ in range(8)]
        assert [answer.status for _, answer in streams] == [200] * 8
        connection, answer = open_stream(page)
        assert (answer.status, answer.read()) == (503, b"all viewers' seats are taken\n")
        connection.close()
        for connection, answer in streams:
            answer.close()
            connection.close()
        assert in_time(lambda: page_viewers(page) == 0)


def test_message_sockets_have_seats_too() -> None:
    with serving() as page:
        with ExitStack() as stack:
            for _ in range(8):
                stack.enter_context(web_socket(page))
            with pytest.raises(InvalidStatus, match="503"), web_socket(page):
                pass
        assert in_time(lambda: page_viewers(page) == 0)


def page_viewers(page: LivePage) -> int:
    return json.loads(get(page, with_token(page, "/api/status"))[2])["viewers"]


def in_time(holds: Callable[[], bool]) -> bool:
    """Whether it holds within five seconds."""
    end = time.monotonic() + 5
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


def test_the_socket_is_closed_without_token_and_to_other_origins(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as page:
        with pytest.raises(InvalidStatus, match="401"), connect(f"ws://127.0.0.1:{page.port}/ws"):
            pass
        with pytest.raises(InvalidStatus, match="403"), web_socket(page, origin="http://evil.example"):
            pass
        with web_socket(page, origin=f"http://127.0.0.1:{page.port}"):
            pass
    assert not caplog.records, "a refused viewer is no trouble of ours, and the log shows no token"


def test_a_frame_that_cannot_be_drawn_does_not_end_the_page() -> None:
    with serving() as page, web_socket(page) as messages:
        page.publish(live_frame(1, score=float("nan")))
        time.sleep(0.2)
        page.publish(live_frame(2))
        message = json.loads(messages.recv(timeout=5))
        assert message["frame"]["number"] == 2
        assert message["page_errors"] in (1, 2)  # a viewer who has just come asks for the newest frame once more


def test_a_port_that_is_taken_has_a_code_and_a_way_out() -> None:
    with serving() as page, pytest.raises(DeviceTrouble, match=r"RL-DEVICE-001.*\n?.*--port") as caught:
        LivePage(ABOUT, status, port=page.port)
    assert str(page.port) in caught.value.message


def test_the_end_of_the_page_ends_its_viewers() -> None:
    with ExitStack() as stack:
        with serving() as page:
            messages = stack.enter_context(web_socket(page))
            connection, answer = open_stream(page)
            stack.callback(connection.close)
            page.publish(live_frame(1))
            next_part(answer)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        answer.read()
        with pytest.raises(ConnectionClosed):
            while True:
                messages.recv(timeout=5)
