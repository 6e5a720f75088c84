"""The stream that functions write into /tmp/results.mjpeg, and what the live page makes of a run."""

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import numpy as np

from relens.legacy.mjpeg import Splitter

DISPLAY = """
from threading import Thread, Event
import json, os, time
import awscam, cv2, greengrasssdk
import numpy as np
client = greengrasssdk.client('iot-data')

class LocalDisplay(Thread):
    def __init__(self, mode):
        super(LocalDisplay, self).__init__()
        self.mode = mode
        self.frame = cv2.imencode('.jpg', np.zeros((480, 640, 3), np.uint8))[1]
        self.stop_request = Event()
        self.written = 0
    def run(self):
        path = '/tmp/results.mjpeg'
        if not os.path.exists(path):
            os.mkfifo(path)
        with open(path, self.mode) as fifo:
            while not self.stop_request.is_set():
                fifo.write(self.frame.tobytes())
                self.written += 1
    def join(self):
        self.stop_request.set()

display = LocalDisplay({mode!r})
display.start()
end = time.time() + {seconds}
busy = time.process_time()
while time.time() < end:
    ret, frame = awscam.getLastFrame()
    display.frame = cv2.imencode('.jpg', cv2.resize(frame, (640, 480)))[1]
    time.sleep(0.1)
client.publish(topic='said', payload=json.dumps([display.written, time.process_time() - busy]))
while True:
    awscam.getLastFrame()
    time.sleep(0.02)
"""


def test_a_display_in_text_mode_is_shown_at_a_pace_and_costs_no_core(run_text: Callable[..., Any]) -> None:
    for mode, seconds in (("w", 2.5), ("wb", 0.5)):
        summary = run_text(DISPLAY.format(mode=mode, seconds=seconds), frames=int(10 * seconds) + 5)
        written, busy_s = json.loads(summary.messages[0]["payload"])
        # 15 a second are read; what the pipe itself holds comes on top.
        assert 4 * seconds <= written <= 15 * seconds + 45, written
        assert busy_s < 0.6 * seconds, busy_s
        assert summary.shown >= 4 * seconds and summary.errors == 0


def test_a_function_that_has_ended_is_not_kept_by_its_display(run_text: Callable[..., Any]) -> None:
    text = DISPLAY.format(mode="w", seconds=0.3).rpartition("while True")[0]
    summary = run_text(text)
    assert summary.ended == "nothing that it started is at work any more"


def test_bytes_become_whole_jpegs() -> None:
    pictures = [
        cv2.imencode(".jpg", np.full((16, 16 + 8 * index, 3), 40 * index, np.uint8))[1].tobytes() for index in range(5)
    ]
    stream = b"noise" + b"".join(pictures) + pictures[0][:40]
    for step in (1, 7, 1000, len(stream)):
        splitter = Splitter()
        found = [jpeg for at in range(0, len(stream), step) for jpeg in splitter.take(stream[at : at + step])]
        assert found == pictures


def test_the_live_page_shows_messages_models_and_predictions(run_text: Callable[..., Any]) -> None:
    text = """
import json, time
import awscam, cv2, greengrasssdk
client = greengrasssdk.client('iot-data')
model = awscam.Model('/opt/awscam/artifacts/object-detection.xml', {'GPU': 1})
while True:
    ret, frame = awscam.getLastFrame()
    found = model.parseResult('ssd', model.doInference(cv2.resize(frame, (416, 416))))['ssd']
    client.publish(topic='seen', payload=json.dumps(len(found)))
    time.sleep(0.05)
"""
    seen: dict[str, Any] = {}
    answers: list[Any] = []

    def ready(url: str) -> None:
        parts = urlsplit(url)
        seen.update(host=parts.hostname, port=parts.port, token=parse_qs(parts.query)["token"][0])

    def get(path: str) -> bytes:
        with closing(http.client.HTTPConnection(seen["host"], seen["port"], timeout=10)) as connection:
            connection.request("GET", path, headers={"Authorization": f"Bearer {seen['token']}"})
            answer = connection.getresponse()
            body = answer.read()
            assert answer.status == 200, (path, body)
            return body

    def look() -> None:
        try:
            end_s = time.monotonic() + 30
            while not seen or not json.loads(get("/api/events?limit=5"))[1:]:
                assert time.monotonic() < end_s
                time.sleep(0.1)
            answers.extend(json.loads(get(path)) for path in ("/api/status", "/api/events?limit=5", "/api/bundles"))
            answers.append(get("/snapshot.jpg"))
        except Exception as trouble:
            answers.append(trouble)
        finally:
            os.kill(os.getpid(), signal.SIGINT)  # ends the run

    looking = threading.Thread(target=look)
    looking.start()
    summary = run_text(text, live=True, port=0, on_ready=ready)
    looking.join()
    assert summary.ended == "ended as asked"
    status, events, bundles, snapshot = answers
    assert status["about"]["name"] == "lambda_function with " + bundles["bundles"][0]["name"]
    assert status["frame"]["prediction"]["kind"] == "detections" and status["loop"]["inferred"] > 0
    assert status["kept"] is True and "infer" in status["loop"]["stages"]
    assert events[0]["event"] == "seen" and events[0]["number"] > events[1]["number"]
    assert bundles["active"] is None and bundles["bundles"][0]["stage"] == "loaded"
    assert cv2.imdecode(np.frombuffer(snapshot, np.uint8), cv2.IMREAD_COLOR) is not None
