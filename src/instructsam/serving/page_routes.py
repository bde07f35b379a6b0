"""The page to try a model and to correct its answers: `/app`. It calls `/v1/segment` like any other client."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from instructsam import __version__
from instructsam.serving.context import Context
from instructsam.serving.page_export import ExportRequest, convert_kept, describe_formats
from instructsam.serving.page_files import example_files, page_files
from instructsam.serving.pictures import Picture, read_picture
from instructsam.serving.requests import parse_body
from instructsam.visualization.palette import PALETTE, to_hex

FLOOR = 0.05
"""The page asks for instances down to this score once; its slider filters them without another request."""

PREVIEW_SIDE = 2048  # px, of the preview of a file that browsers cannot show, such as TIFF


def router(context: Context) -> APIRouter:
    """The routes."""
    routes = APIRouter(include_in_schema=False)
    pages, examples = page_files(), example_files()
    instructions: dict[str, list[str]] = json.loads(examples.content("instructions.json"))

    @routes.get("/")
    async def root() -> Response:
        return RedirectResponse("app")

    @routes.get("/app")
    async def page(request: Request) -> Response:
        return pages.answer("index.html", request)

    @routes.get("/app/")
    async def slash() -> Response:
        return RedirectResponse("../app")

    @routes.get("/app/files/{name}")
    async def file(name: str, request: Request) -> Response:
        return pages.answer(name, request)

    @routes.get("/app/examples/{name}")
    async def example(name: str, request: Request) -> Response:
        return examples.answer(name, request)

    @routes.get("/app/ready")
    async def ready() -> dict[str, bool]:
        """Like `/ready`, but always with status 200: browsers log every other one as an error."""
        return {"ready": context.service.ready}

    @routes.get("/app/facts")
    async def facts() -> dict[str, Any]:
        return {
            "version": __version__,
            "floor": FLOOR,
            "palette": [to_hex(color) for color in PALETTE],
            "limits": context.limits.model_dump(),
            "formats": describe_formats(),
            "examples": [{"name": name, "instructions": texts} for name, texts in instructions.items()],
        }

    @routes.post("/app/preview")
    async def preview(image: UploadFile) -> Response:
        picture = await read_picture(await image.read(), context.limits)
        height, width = picture.size
        content = await asyncio.to_thread(_preview, picture)
        return Response(content, headers={"X-Size": f"{width}x{height}"}, media_type="image/png")

    @routes.post("/app/export")
    async def export(image: UploadFile, request: UploadFile) -> Response:
        wanted = parse_body(ExportRequest, await request.read())
        picture = await read_picture(await image.read(), context.limits)
        found = await asyncio.to_thread(convert_kept, wanted, picture)
        headers = {"X-Suffix": found.suffix, "X-Notes": quote(json.dumps(found.notes))}
        return Response(found.content, headers=headers, media_type="application/octet-stream")

    return routes


def _preview(picture: Picture) -> bytes:
    image = picture.image.image.copy()
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()
