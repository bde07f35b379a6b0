"""Our own routes: `/v1/segment`, `/v1/models`, `/health`, `/ready`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from instructsam.serving.context import Context


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "UP", "model_class": "InstructSAM"}

    @routes.get("/ready")
    async def ready(response: Response) -> dict[str, bool]:
        response.status_code = 200 if context.service.ready else 503
        return {"ready": context.service.ready}

    @routes.get("/v1/models")
    async def models() -> list[dict[str, Any]]:
        return [{"name": model.name, "fingerprint": model.fingerprint} for model in context.service.models()]

    return routes
