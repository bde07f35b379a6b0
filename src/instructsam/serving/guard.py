"""The gate of the server: the host that a request names, the site that it comes from, and its key.

A page of another site can make a browser send requests to loopback, also under a name of its own that resolves to
127.0.0.1 (DNS rebinding). Hence a server without a key accepts only the names of loopback in the Host header, and no
server accepts a request with the Origin of another site.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qs, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from instructsam.serving.auth import KEY_IN_BODY, MESSAGE, PUBLIC, PUBLIC_FOLDERS
from instructsam.serving.context import Context
from instructsam.serving.errors import ForbiddenError, KeyRequiredError, RequestError
from instructsam.serving.failures import describe_failure
from instructsam.serving.keys import presented_keys

_SAFE_METHODS = ("GET", "HEAD")
_OWN_SITE = ("same-origin", "none")


class Guard:
    """Middleware that refuses requests before their bodies are read."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self.app, self.context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            self._check(scope)
        except RequestError as error:
            answer = self.context.shapes.response(scope["path"], describe_failure(error))
            await answer(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        host = _only(headers, "host")
        public = self.context.settings.public_hosts
        if host and (public or not self.context.keys.required) and not _is_own(host, public):
            raise ForbiddenError(
                f"this server does not answer to the host {host!r:.80}: start it with --public-host NAME if clients "
                "reach it under that name"
            )
        if scope["method"] not in _SAFE_METHODS:
            _check_site(headers, host, public)
        path, keys = scope["path"], presented_keys(scope["headers"])
        in_body = path.startswith(KEY_IN_BODY)
        if in_body:
            keys += _query(scope).get("api_key", [])
        authorized = self.context.keys.accept(keys)
        scope.setdefault("state", {})["authorized"] = authorized
        public_path = path in PUBLIC or path.startswith(PUBLIC_FOLDERS)
        if not authorized and not in_body and not public_path:
            raise KeyRequiredError(MESSAGE)


def is_loopback(host: str) -> bool:
    """Whether a host name or address, without port, is this machine's loopback."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _only(headers: list[tuple[str, str]], name: str) -> str:
    values = [value.strip() for key, value in headers if key == name]
    if len(values) > 1:
        raise RequestError(f"a request must have one {name} header, got {len(values)}")
    return values[0] if values else ""


def _query(scope: Scope) -> dict[str, list[str]]:
    try:
        return parse_qs(scope["query_string"].decode("latin-1"), max_num_fields=100)
    except ValueError as error:
        raise RequestError("the query of the URL has more than 100 fields") from error


def _is_own(netloc: str, public: tuple[str, ...]) -> bool:
    """Whether the name in HOST or HOST:PORT is loopback or configured."""
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    return is_loopback(host) or host in [name.lower() for name in public]


def _check_site(headers: list[tuple[str, str]], host: str, public: tuple[str, ...]) -> None:
    origin, site = _only(headers, "origin"), _only(headers, "sec-fetch-site")
    try:
        parts = urlsplit(origin)
        own = parts.netloc == host or (
            bool(parts.netloc) and (parts.hostname or "") in [name.lower() for name in public]
        )
    except ValueError:
        own = False
    if (origin and not own) or (not origin and site and site not in _OWN_SITE):
        raise ForbiddenError(
            "requests from pages of other sites are refused: call the server from your own server, or open its page"
        )
