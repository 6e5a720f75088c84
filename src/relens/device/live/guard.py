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
ACTION_HEADER = "X-Relens"
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
        secure: whether the page is HTTPS: the cookie then never leaves without.
    """

    def __init__(
        self, app: ASGIApp, token: str, cookie: str, names: frozenset[str], policy: str, *, secure: bool = False
    ) -> None:
        self.app, self.token, self.cookie = app, token, cookie
        self._set_cookie = f"{cookie}={token}; Path=/; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
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
                    headers["Set-Cookie"] = self._set_cookie
            await send(message)

        return await (refusal or self.app)(scope, receive, guarded)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        host = request.headers.get("host", "")
        # A name that an attacker's DNS points here (rebinding) is not one of ours; an address cannot be rebound.
        if not self._is_ours(host):
            return PlainTextResponse("this page does not answer to that host name\n", 400)
        if request.scope["path"] in OPEN_ROUTES:
            return None
        shown = request.query_params.get("token"), request.cookies.get(self.cookie), _bearer(request)
        if not any(self._matches(token) for token in shown if token):
            return PlainTextResponse("open the address with ?token=... that relens printed (relens device page)\n", 401)
        if request.scope["type"] == "websocket":
            origin = request.headers.get("origin")
            return PlainTextResponse("wrong origin\n", 403) if origin and not _is_at(host, origin) else None
        if request.scope["method"] not in ("GET", "HEAD"):
            return self._refused_action(request, host)
        return None

    def _refused_action(self, request: HTTPConnection, host: str) -> Response | None:
        """What changes something comes from the page itself, and from no other page that the browser has open."""
        origin = request.headers.get("origin")
        here = _is_at(host, origin) if origin else request.headers.get("sec-fetch-site") == "same-origin"
        if not here:
            return PlainTextResponse("an action comes from the page itself: wrong origin\n", 403)
        if not self._matches(request.cookies.get(self.cookie, "")):
            return PlainTextResponse("an action comes from the page itself: it lacks its cookie\n", 403)
        # A form of another page cannot send a header of its own.
        if request.headers.get(ACTION_HEADER) != "1":
            return PlainTextResponse(f"an action comes with the header {ACTION_HEADER}: 1\n", 403)
        return None

    def _matches(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self.token.encode())

    def _is_ours(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        return name in self.names or _is_address(name)


def _is_at(host: str, origin: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False


def _bearer(request: HTTPConnection) -> str | None:
    """For programs that read the numbers, which hold no cookies."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else None


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
