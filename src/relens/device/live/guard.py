"""Who may look: the token, the host and the origin of every request, and the headers of every answer."""

import ipaddress
import secrets
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A program that watches the camera's health needs no key, and learns no more than that.
OPEN_ROUTES = frozenset({"/healthz"})
ACTS = "X-Relens"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Guard:
    """ASGI middleware.

    Args:
        app: what it guards.
        token: what a viewer must know, in `?token=` once and in a cookie from then on.
        cookie: the cookie's name; cookies are shared by all ports of a host, so it should hold the port.
        names: host names this page answers to, beside any IP address and `localhost`.
        policy: the Content-Security-Policy.
    """

    def __init__(self, app: ASGIApp, token: str, cookie: str, names: frozenset[str], policy: str) -> None:
        self.app, self.token, self.cookie = app, token, cookie
        self.names = names | {"localhost"}
        self.headers = {**HEADERS, "Content-Security-Policy": policy}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 400, 401 or 403, or pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        request = HTTPConnection(scope)
        refusal = self._refusal(request)
        first_use = self._matches(request.query_params.get("token", ""))

        async def guarded(message: Message) -> None:
            if message["type"].endswith("response.start"):
                headers = MutableHeaders(scope=message)
                headers.update(self.headers)
                if first_use and refusal is None:
                    headers["Set-Cookie"] = f"{self.cookie}={self.token}; Path=/; HttpOnly; SameSite=Strict"
            await send(message)

        return await (refusal or self.app)(scope, receive, guarded)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        host = request.headers.get("host", "")
        # A name that an attacker's DNS points here (rebinding) is not one of ours; an address cannot be rebound.
        if not self._is_ours(host):
            return PlainTextResponse("this page does not answer to that host name\n", 400)
        if request.scope["path"] in OPEN_ROUTES:
            return None
        shown = request.query_params.get("token"), request.cookies.get(self.cookie)
        if not any(self._matches(token) for token in shown if token):
            return PlainTextResponse("open the address with ?token=... that relens printed\n", 401)
        origin = request.headers.get("origin")
        changes = request.scope["type"] == "http" and request.scope["method"] not in ("GET", "HEAD")
        if origin and urlsplit(origin).netloc != host and (changes or request.scope["type"] == "websocket"):
            return PlainTextResponse("wrong origin\n", 403)
        # Another site can make a browser send the cookie along, but not this header.
        if changes and request.headers.get(ACTS) != "1":
            return PlainTextResponse(f"what changes something needs the header {ACTS}: 1\n", 403)
        return None

    def _matches(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.token.encode())

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self.names or _is_address(name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
