"""The tool `segment` of the Model Context Protocol, for agents. Needs the extra `mcp`."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Awaitable, Callable
from typing import Annotated

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import CallToolResult, ContentBlock, ImageContent, TextContent
from pydantic import Field

from instructsam import __version__
from instructsam.errors import InstructSAMError
from instructsam.serving.answer_models import PredictionAnswer
from instructsam.serving.answers import MaskFormat, prediction_json
from instructsam.serving.context import Context
from instructsam.serving.jobs import make_job, segment
from instructsam.serving.pictures import Picture
from instructsam.structures.predictions import Prediction
from instructsam.visualization.overlay import MAX_PIXELS

NAME = "segment"
_OVERLAY_PIXELS = min(MAX_PIXELS, 1_000_000)
_USE = (
    "Segments every instance in an image that an instruction in plain words means, such as 'the mugs that are not "
    "red'. Answers with phrase, score, box (px) and mask of each instance, or that nothing matches."
)

_IMAGE = (
    "Content of an image file in base64 or as data URI; or, where the server allows it, a URL or a path below its "
    "folder of images."
)

Read = Callable[[str], Awaitable[Picture]]
"""The image that an argument names."""


def make_tool_server(context: Context, read: Read) -> MCPServer:
    """A server with the tool.

    Args:
        context: of the models.
        read: turns the argument `image` into a picture.
    """
    server = MCPServer("instructsam", version=__version__, instructions=_USE)

    @server.tool(NAME, description=_USE)
    async def segment_image(
        image: Annotated[str, Field(description=_IMAGE)],
        instruction: Annotated[str, Field(description="The objects to segment, in plain words.")],
        score_threshold: Annotated[
            float | None, Field(ge=0, le=1, description="Minimum score; the model's default if null.")
        ] = None,
        masks: Annotated[
            MaskFormat, Field(description="rle: COCO's run lengths; polygon: rings in px; png: data URI.")
        ] = "rle",
        overlay: Annotated[bool, Field(description="Add the image with the instances drawn.")] = True,
        model: Annotated[str | None, Field(description="Name of a served model; the first if null.")] = None,
    ) -> Annotated[CallToolResult, PredictionAnswer]:
        try:
            job = make_job(await read(image), context.limits, [instruction], score_threshold=score_threshold)
            (prediction,) = await segment(context, job, model)
        except InstructSAMError as error:
            raise ToolError(str(error)) from error
        return await asyncio.to_thread(_result, prediction, masks, overlay)

    return server


def _result(prediction: Prediction, masks: MaskFormat, overlay: bool) -> CallToolResult:
    content: list[ContentBlock] = [TextContent(type="text", text=_summary(prediction))]
    if overlay:
        stream = io.BytesIO()
        prediction.overlay(_OVERLAY_PIXELS).save(stream, "PNG")
        drawn = base64.b64encode(stream.getvalue()).decode("ascii")
        content.append(ImageContent(type="image", data=drawn, mime_type="image/png"))
    return CallToolResult(content=content, structured_content=prediction_json(prediction, masks))


def _summary(prediction: Prediction) -> str:
    """The answer in words."""
    rows = prediction.table()
    if not rows:
        lines = [
            "Nothing in the image matches." if prediction.status == "no_target" else "No instance was found."
        ]
    else:
        count = len(rows)
        lines = [f"{count} instance{'s' if count > 1 else ''}:"]
        for row in rows:
            box = ", ".join(f"{value:.0f}" for value in row["box_xyxy"])
            lines.append(f"{row['number']}. {row['phrase']}: score {row['score']:.2f}, box [{box}] px")
    return "\n".join([*lines, *filter(None, [prediction.remark]), *prediction.notes])
