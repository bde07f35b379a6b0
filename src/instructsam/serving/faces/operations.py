"""Routes for operators: `/health`, `/ready`, `/metrics`."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from instructsam.serving.context import Context


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["operations"])

    @routes.get("/health")
    async def health() -> dict[str, str]:
        """Whether the process lives; also while the models load. Label Studio expects these fields."""
        return {"status": "UP", "model_class": "InstructSAM"}

    @routes.get(
        "/ready", responses={503: {"description": "The models are loading, or the server is stopping."}}
    )
    async def ready() -> JSONResponse:
        """Whether requests are answered: the models are loaded and warm."""
        state = "stopping" if context.stopping else "ready" if context.service.ready else "loading"
        return JSONResponse({"ready": state == "ready", "state": state}, 200 if state == "ready" else 503)

    @routes.get("/metrics", response_class=Response)
    async def metrics() -> Response:
        """Metrics in the text format of Prometheus."""
        return Response(context.metrics.text(), media_type=CONTENT_TYPE_LATEST)

    return routes
