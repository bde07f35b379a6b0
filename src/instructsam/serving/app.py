"""The application: the routes of every face, around one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from instructsam import __version__
from instructsam.errors import InstructSAMError
from instructsam.serving.bodies import Bodies
from instructsam.serving.context import Context
from instructsam.serving.docs_page import add_docs_page
from instructsam.serving.faces import FACES
from instructsam.serving.failures import Failure, describe_failure, failure
from instructsam.serving.guard import Guard
from instructsam.serving.keys import Keys
from instructsam.serving.openapi import add_openapi
from instructsam.serving.page_routes import router as page_router
from instructsam.serving.request_log import RequestLog, add_headers
from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings
from instructsam.structures.validation import place_of


def create_app(service: Service, settings: ServeSettings | None = None) -> FastAPI:
    """An application of ASGI; its lifespan starts and stops the service.

    Raises:
        InputError: the key file cannot be read.
    """
    settings = settings or ServeSettings()
    keys = Keys() if settings.api_key_file is None else Keys.load(settings.api_key_file)
    context = Context(service, settings, keys)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(
        title="InstructSAM",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[Middleware(kind, context) for kind in (RequestLog, Guard, Bodies)],
    )
    app.state.context = context
    _add_error_answers(app, context)
    for router in (*FACES, page_router):
        app.include_router(router(context))
    add_openapi(app)
    add_docs_page(app, context)
    return app


def _add_error_answers(app: FastAPI, context: Context) -> None:
    async def answer(request: Request, error: Exception) -> Response:
        found = _failure_of(error)
        response = context.shapes.response(request.url.path, found)
        if found.status == 500:  # sent from outside of the middleware that adds the headers
            add_headers(response.headers, found.request_id)
        return response

    for kind in (InstructSAMError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)


def _failure_of(error: Exception) -> Failure:
    if isinstance(error, HTTPException):
        return failure(error.status_code, str(error.detail), headers=error.headers)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        place = place_of([part for part in first["loc"] if part != "body"])
        return failure(422, f"{place}: {first['msg']}" if place else str(first["msg"]))
    return describe_failure(error)
