"""The Model Context Protocol over streamable HTTP: `/mcp`, with the tool `segment`. Needs the extra `mcp`."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import APIRouter
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from instructsam.serving.context import Context
from instructsam.serving.failures import failure
from instructsam.serving.fetch import read_image
from instructsam.serving.pictures import Picture

if TYPE_CHECKING:
    from fastapi import FastAPI

PATH = "/mcp"
_METHODS = ["GET", "POST", "DELETE"]


def router(context: Context) -> APIRouter:
    """The route; without the library it answers how to install it."""
    endpoint = _Endpoint(context)
    routes = APIRouter(tags=["mcp"], lifespan=endpoint.lifespan)
    routes.add_route(PATH, endpoint, methods=_METHODS, include_in_schema=False)  # type: ignore[arg-type]
    return routes


class _Endpoint:
    """The protocol's own application, while the server runs."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._app: ASGIApp | None = None

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        """Run the sessions of the protocol; none is kept between requests."""
        if importlib.util.find_spec("mcp") is None:
            yield
            return
        from mcp.server.transport_security import TransportSecuritySettings

        from instructsam.serving.mcp_tool import make_tool_server

        server = make_tool_server(self._context, self._read)
        server.streamable_http_app(
            streamable_http_path=PATH,
            json_response=True,
            stateless_http=True,
            max_request_body_size=self._context.limits.max_bytes,
            # `guard` checks Host and Origin of every request to this server.
            transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
        )
        async with server.session_manager.run():
            self._app = server.session_manager.asgi_app
            yield
        self._app = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is not None:
            await self._app(scope, receive, send)
            return
        found = failure(501, "this server has no MCP: pip install 'instructsam[mcp]', and start it again")
        answer = JSONResponse({"error": {"code": found.code, "message": found.message}}, found.status)
        await answer(scope, receive, send)

    async def _read(self, text: str) -> Picture:
        return await read_image(self._context, text)
