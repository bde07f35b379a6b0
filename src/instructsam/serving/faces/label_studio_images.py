"""Images of tasks of Label Studio: embedded, by URL of an allowed host, or from Label Studio itself.

No local path is ever opened, and no host is taken from a request: a path such as /data/upload/1/a.jpg is fetched from
the address in the server's settings, with the token in the environment variable `LABEL_STUDIO_API_KEY`.
"""

from __future__ import annotations

import os
from urllib.parse import quote, urlsplit

from instructsam.serving.context import Context
from instructsam.serving.errors import RequestError
from instructsam.serving.fetch import fetch, read_image
from instructsam.serving.pictures import Picture, read_picture
from instructsam.structures.checks import shorten

KEY_VARIABLE = "LABEL_STUDIO_API_KEY"
_UNESCAPED = "/%?&=+,:;@~$!*'()"


async def task_image(context: Context, address: str, name: str) -> Picture:
    """The image of a task.

    Raises:
        RequestError: the address cannot be fetched.
        TooLargeError, ImageError, BusyError: as `read_image`.
    """
    if address[:5].lower() == "data:" or address[:8].lower().startswith(("http://", "https://")):
        return await read_image(context, address, name)
    if not address.startswith("/") or address.startswith("//"):
        raise RequestError(
            f"{name} must be a data URI, a URL, or a path of Label Studio, got {shorten(address)}: for cloud storage "
            "use pre-signed URLs, and start this server with --allow-host"
        )
    base = context.settings.label_studio_url
    if base is None:
        raise RequestError(
            f"{name} is a path of Label Studio: start this server with --label-studio-url and the token of a user in "
            f"the environment variable {KEY_VARIABLE}"
        )
    parts = urlsplit(base)
    place = parts.netloc if parts.port else parts.hostname or ""
    trusted = context.settings.model_copy(update={"allow_private_hosts": (place,)})
    key = os.environ.get(KEY_VARIABLE, "").strip()
    headers = {"Authorization": f"Token {key}"} if key else {}
    content = await fetch(base.rstrip("/") + quote(address, safe=_UNESCAPED), trusted, headers, name)
    return await read_picture(content, context.limits, name)
