"""The live page's server: one thread beside the loop."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType

import uvicorn

from relens.device.events.event import Thing
from relens.device.live.guard import Guard
from relens.device.live.hub import About, Hub
from relens.device.live.routes import content_policy, page, routes
from relens.device.live.side import CameraSide
from relens.device.live.tls import usable_certificate
from relens.device.loop import LiveFrame, LoopStatus
from relens.errors import DeviceTrouble
from relens.spec.page import EVERYWHERE, check_page


class LivePage:
    """Serves a running loop from `with` to its end.

    Args:
        about: what is running.
        status: the loop's counters and timings, asked for when somebody looks.
        host: the address to listen at.
        port: 0 takes a free one.
        certificate, key: files in PEM, both or neither; with them the page is HTTPS.
        token: what opens the page; None makes a new one.
        side: the camera behind the loop, where an agent keeps one.
        things: what is followed on the newest frame.

    Raises:
        BadConfig: RL-CONFIG-003 when other machines could reach it and it would not be HTTPS.
        DeviceTrouble: RL-DEVICE-001 when it cannot listen there.
    """

    def __init__(
        self,
        about: About,
        status: Callable[[], LoopStatus],
        *,
        host: str = "127.0.0.1",
        port: int = 8080,
        certificate: Path | None = None,
        key: Path | None = None,
        token: str | None = None,
        side: CameraSide | None = None,
        things: Callable[[], Sequence[Thing]] = tuple,
    ) -> None:
        check_page(host, certificate, "the live page")
        files = usable_certificate(certificate, key) if certificate and key else None
        self.token = token or secrets.token_urlsafe(24)
        self.scheme = "https" if files else "http"
        self._hub = Hub(about, status, things=things, kept=side is not None)
        self._socket = _listen(host, port)
        self.port: int = self._socket.getsockname()[1]
        self.host = socket.gethostname() if host in EVERYWHERE else host
        html, name = page(), socket.gethostname().lower()
        guard = Guard(
            routes(self._hub, html, side),
            self.token,
            cookie=f"relens-{self.port}",
            names=frozenset({host, name, f"{name}.local"}) - frozenset(EVERYWHERE),
            policy=content_policy(html),
            secure=files is not None,
        )
        self._server = uvicorn.Server(_config(guard, files))
        self._thread = Thread(target=lambda: asyncio.run(self._serve()), name="relens-page", daemon=True)

    @property
    def address(self) -> str:
        """Where it is; to open it takes the token, too."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/"

    @property
    def url(self) -> str:
        """The page's address, token included."""
        return f"{self.address}?token={self.token}"

    def tell(self, about: About) -> None:
        """Something else runs from now on."""
        self._hub.about = about

    def publish(self, live: LiveFrame) -> None:
        """Show a frame; a `relens.device.loop.Publisher` that never waits."""
        self._hub.publish(live)

    def __enter__(self) -> "LivePage":
        logging.getLogger("uvicorn.error").addFilter(_is_trouble)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hub.close()
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        logging.getLogger("uvicorn.error").removeFilter(_is_trouble)

    async def _serve(self) -> None:
        self._hub.start()
        await self._server.serve(sockets=[self._socket])


def _is_trouble(record: logging.LogRecord) -> bool:
    """Not when a viewer is refused: uvicorn then says that the handshake was not completed, as an error of ours."""
    return "without completing handshake" not in record.getMessage()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as trouble:
        raise DeviceTrouble(
            "RL-DEVICE-001",
            f"the live page cannot listen at {host} port {port}: {trouble}",
            hint="choose another with --port (0 takes a free one)",
        ) from None


def _config(app: Guard, files: tuple[Path, Path] | None) -> uvicorn.Config:
    certificate, key = files or (None, None)
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="warning",  # below it, addresses with their token are logged
        access_log=False,
        server_header=False,
        ws_max_size=4096,  # viewers have nothing to say
        ws_per_message_deflate=False,
        ws_ping_interval=5,
        ws_ping_timeout=5,  # messages to a viewer who is gone pile up until then
        timeout_graceful_shutdown=2,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
