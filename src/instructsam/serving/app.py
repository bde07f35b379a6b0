"""The application: the routes of every face, around one service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from instructsam import __version__
from instructsam.serving.context import Context
from instructsam.serving.faces import FACES
from instructsam.serving.service import Service
from instructsam.serving.settings import ServeSettings


def create_app(service: Service, settings: ServeSettings | None = None) -> FastAPI:
    """An application of ASGI; its lifespan starts and stops the service."""
    context = Context(service, settings or ServeSettings())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(title="InstructSAM", version=__version__, lifespan=lifespan)
    for router in FACES:
        app.include_router(router(context))
    return app
