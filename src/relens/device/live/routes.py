"""The live page's routes."""

import asyncio
import base64
import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from importlib import resources

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from relens.device.live.hub import Hub
from relens.device.live.metrics import TYPE as METRICS_TYPE
from relens.device.live.metrics import metrics
from relens.device.live.side import CameraSide
from relens.device.live.status import Status
from relens.errors import RelensError

HEALTHY_WITHIN_S = 5.0
LARGEST = 2**63 - 1
"""Of the numbers that SQLite knows."""

FULL = "all viewers' seats are taken\n"


def page() -> str:
    """The page, one file without anything from elsewhere."""
    return resources.files("relens.device.live").joinpath("page.html").read_text(encoding="utf-8")


def content_policy(html: str) -> str:
    """A Content-Security-Policy that lets this page's own script and style run, by their hashes, and no other."""
    script, style = (
        " ".join(f"'sha256-{_digest(block)}'" for block in re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL))
        for tag in ("script", "style")
    )
    return (
        f"default-src 'none'; script-src {script}; style-src {style}; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def routes(hub: Hub, html: str, side: CameraSide | None = None) -> Starlette:
    """All routes, unguarded: `relens.device.live.guard` goes around them. Those of the camera need its side."""
    views = Views(hub, html, side)
    found: list[BaseRoute] = [
        Route("/", views.index),
        Route("/stream.mjpg", Stream(hub), methods=["GET"]),
        Route("/snapshot.jpg", views.snapshot),
        Route("/api/status", views.status),
        Route("/api/schema", views.schema),
        Route("/metrics", views.metrics),
        Route("/healthz", views.health),
        WebSocketRoute("/ws", views.messages),
    ]
    if side is not None:
        beside = SideViews(side)
        found += [
            Route("/api/bundles", beside.bundles),
            Route("/api/events", beside.events),
            Route("/events/{number:int}.jpg", beside.picture),
            Route("/api/confirm", beside.confirm, methods=["POST"]),
            Route("/api/rollback", beside.roll_back, methods=["POST"]),
        ]
    return Starlette(routes=found, exception_handlers={RelensError: _trouble})


async def _trouble(request: Request, trouble: Exception) -> Response:
    """What cannot be done now, as the command line says it."""
    assert isinstance(trouble, RelensError)
    return JSONResponse(trouble.to_json(), 409)


class SideViews:
    """The answers about the camera behind the loop."""

    MOST_EVENTS = 200

    def __init__(self, side: CameraSide) -> None:
        self.side = side

    async def bundles(self, request: Request) -> Response:
        """`/api/bundles`: what is on the camera and what runs."""
        return JSONResponse(await asyncio.to_thread(self.side.bundles))

    async def events(self, request: Request) -> Response:
        """`/api/events?limit=N`: the last events, the newest first."""
        asked = request.query_params.get("limit", "50")
        if not (asked.isascii() and asked.isdecimal() and len(asked) < 6 and 1 <= int(asked) <= self.MOST_EVENTS):
            return PlainTextResponse(f"limit is a number from 1 to {self.MOST_EVENTS}\n", 400)
        return JSONResponse(await asyncio.to_thread(self.side.events, int(asked)))

    async def picture(self, request: Request) -> Response:
        """`/events/N.jpg`: an event's picture."""
        number: int = request.path_params["number"]
        jpeg = await asyncio.to_thread(self.side.picture, number) if number <= LARGEST else None
        return Response(jpeg, media_type="image/jpeg") if jpeg else PlainTextResponse("no such picture\n", 404)

    async def confirm(self, request: Request) -> Response:
        """POST `/api/confirm?bundle=ID`: take it for good."""
        return await self._change(request, self.side.confirm)

    async def roll_back(self, request: Request) -> Response:
        """POST `/api/rollback?bundle=ID`: leave it for the bundle before."""
        return await self._change(request, self.side.roll_back)

    async def _change(self, request: Request, change: Callable[[str | None], None]) -> Response:
        """The id is of what the viewer saw run: a second click must not send its successor away."""
        await asyncio.to_thread(change, request.query_params.get("bundle"))
        return await self.bundles(request)


class Views:
    """The answers that fit in one method."""

    def __init__(self, hub: Hub, html: str, side: CameraSide | None) -> None:
        self.hub, self.html, self.side = hub, html, side

    async def index(self, request: Request) -> Response:
        """`/`: the page."""
        return HTMLResponse(self.html)

    async def snapshot(self, request: Request) -> Response:
        """`/snapshot.jpg`: the newest frame."""
        jpeg = await asyncio.to_thread(self.hub.snapshot)
        return Response(jpeg, media_type="image/jpeg") if jpeg else PlainTextResponse("no frame yet\n", 503)

    async def status(self, request: Request) -> Response:
        """`/api/status`: everything the page shows, as JSON."""
        return JSONResponse(self.hub.describe())

    async def schema(self, request: Request) -> Response:
        """`/api/schema`: the JSON Schema of `/api/status`."""
        return JSONResponse(Status.model_json_schema())

    async def metrics(self, request: Request) -> Response:
        """`/metrics`: for Prometheus."""
        kept = None
        if self.side is not None:
            with suppress(RelensError):  # a disk that cannot be read hides one number, not all
                kept = await asyncio.to_thread(self.side.events_kept)
        text = metrics(self.hub.about, self.hub.status(), self.hub.viewers, kept)
        return Response(text, media_type=METRICS_TYPE)

    async def health(self, request: Request) -> Response:
        """`/healthz`: 200 while frames are being inferred, else 503."""
        status = self.hub.status()
        since_s = status.last_inferred_s
        healthy = since_s is not None and since_s <= HEALTHY_WITHIN_S
        body = {"healthy": healthy, "fps": round(status.fps, 2), "inferred": status.inferred}
        return JSONResponse(body, 200 if healthy else 503)

    async def messages(self, socket: WebSocket) -> None:
        """`/ws`: one JSON message a picture."""
        if not self.hub.sockets.take():
            return await socket.send_denial_response(PlainTextResponse(FULL, 503))
        try:
            await socket.accept()
            await self._serve(socket)
        finally:
            self.hub.sockets.leave()

    async def _serve(self, socket: WebSocket) -> None:
        sending = asyncio.create_task(self._send(socket))
        try:
            # A viewer says nothing; what comes is its goodbye.
            while (await socket.receive())["type"] != "websocket.disconnect":
                pass
        finally:
            sending.cancel()

    async def _send(self, socket: WebSocket) -> None:
        with suppress(WebSocketDisconnect):
            async for picture in self.hub.pictures():
                await socket.send_text(picture.message)


class Stream:
    """`/stream.mjpg`: JPEG after JPEG in one answer that does not end (multipart/x-mixed-replace)."""

    BOUNDARY = b"--relens\r\n"
    TYPE = "multipart/x-mixed-replace; boundary=relens"

    def __init__(self, hub: Hub) -> None:
        self.hub = hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Stream for as long as the viewer and the loop are there."""
        if not self.hub.streams.take():
            return await PlainTextResponse(FULL, 503)(scope, receive, send)
        try:
            return await StreamingResponse(self._parts(), media_type=self.TYPE)(scope, receive, send)
        finally:
            self.hub.streams.leave()

    async def _parts(self) -> AsyncIterator[bytes]:
        yield self.BOUNDARY
        async for picture in self.hub.pictures():
            # The next part's boundary goes along at once: browsers show a part when they see its end.
            header = f"Content-Type: image/jpeg\r\nContent-Length: {len(picture.jpeg)}\r\n\r\n".encode()
            yield header + picture.jpeg + b"\r\n" + self.BOUNDARY


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
