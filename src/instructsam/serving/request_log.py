"""One line in the log per request, its id in the answer, its metrics, and the security headers of every answer."""

from __future__ import annotations

import logging
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from instructsam.serving.context import Context
from instructsam.serving.logs import begin_request

CLIENT_LEFT = 499  # as proxies log it; no client sees it
_LOG = logging.getLogger("instructsam.serving")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_NO_PAGE = "default-src 'none'; frame-ancestors 'none'"
_PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


class RequestLog:
    """Outermost middleware of the application."""

    def __init__(self, app: ASGIApp, context: Context) -> None:
        self.app, self.context = app, context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = begin_request(Headers(scope=scope).get("x-request-id", ""))
        scope.setdefault("state", {})
        start, status = time.perf_counter(), 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                add_headers(MutableHeaders(raw=message["headers"]), request_id)
            await send(message)

        try:
            with self.context.metrics.request():
                await self.app(scope, receive, send_with_headers)
        finally:
            seconds = time.perf_counter() - start
            final = CLIENT_LEFT if scope["state"].get("client_left") else status or 500
            route = getattr(scope.get("route"), "path", "unmatched")
            self.context.metrics.add_request(route, scope["method"], final, seconds)
            facts = {
                "method": scope["method"],
                "route": route,
                "status": final,
                "ms": round(seconds * 1000, 1),
                "client": (scope.get("client") or ("",))[0],
            }
            _LOG.info("request", extra={"facts": facts})


def add_headers(headers: MutableHeaders, request_id: str) -> None:
    """Add the request id and the security headers that the answer does not have yet."""
    headers["X-Request-ID"] = request_id
    is_page = headers.get("content-type", "").startswith("text/html")
    for name, value in {**_HEADERS, "Content-Security-Policy": _PAGE if is_page else _NO_PAGE}.items():
        headers.setdefault(name, value)
