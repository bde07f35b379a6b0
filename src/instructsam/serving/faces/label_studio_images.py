"""Images of tasks of Label Studio: embedded, by URL of an allowed host, or from Label Studio itself.

No local path is ever opened, and no host is taken from a request: a path such as /data/upload/1/a.jpg is fetched from
the address in the server's settings, with the token in the environment variable `LABEL_STUDIO_API_KEY`.
"""

from __future__ import annotations

import json
import os
import time
from urllib.parse import quote, urlsplit

from instructsam.errors import InputError
from instructsam.serving.context import Context
from instructsam.serving.errors import RequestError
from instructsam.serving.fetch import fetch, read_image
from instructsam.serving.pictures import Picture, read_picture
from instructsam.serving.settings import ServeSettings
from instructsam.structures.checks import parse_json, shorten

KEY_VARIABLE = "LABEL_STUDIO_API_KEY"
_UNESCAPED = "/%?&=+,:;@~$!*'()"
_ACCESS_SECONDS = 120.0  # Label Studio's access tokens are valid for 300


class TaskImages:
    """Images of tasks."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._access: tuple[str, float, str] = ("", 0.0, "")  # personal token, end, access token

    async def read(self, address: str, name: str) -> Picture:
        """The image at an address.

        Raises:
            RequestError: the address cannot be fetched.
            TooLargeError, ImageError, BusyError: as `read_image`.
        """
        if address[:5].lower() == "data:" or address[:8].lower().startswith(("http://", "https://")):
            return await read_image(self._context, address, name)
        if not address.startswith("/") or address.startswith("//"):
            raise RequestError(
                f"{name} must be a data URI, a URL, or a path of Label Studio, got {shorten(address)}: for cloud "
                "storage use pre-signed URLs, and start this server with --allow-host"
            )
        base = self._context.settings.label_studio_url
        if base is None:
            raise RequestError(
                f"{name} is a path of Label Studio: start this server with --label-studio-url and the token of a user "
                f"in the environment variable {KEY_VARIABLE}"
            )
        parts = urlsplit(base)
        place = parts.netloc if parts.port else parts.hostname or ""
        trusted = self._context.settings.model_copy(update={"allow_private_hosts": (place,)})
        headers = await self._authorization(base, trusted)
        content = await fetch(base.rstrip("/") + quote(address, safe=_UNESCAPED), trusted, headers, name)
        return await read_picture(content, self._context.limits, name)

    async def _authorization(self, base: str, trusted: ServeSettings) -> dict[str, str]:
        """The header of a legacy token, or of the access token that a personal one is exchanged for."""
        key = os.environ.get(KEY_VARIABLE, "").strip()
        if not key:
            return {}
        if key.count(".") != 2:
            return {"Authorization": f"Token {key}"}
        known, end, access = self._access
        if known != key or time.monotonic() > end:
            access = await _exchange(key, base, trusted)
            self._access = (key, time.monotonic() + _ACCESS_SECONDS, access)
        return {"Authorization": f"Bearer {access}"}


async def _exchange(key: str, base: str, trusted: ServeSettings) -> str:
    name = f"the token in {KEY_VARIABLE}"
    answer = await fetch(
        base.rstrip("/") + "/api/token/refresh",
        trusted,
        {"Content-Type": "application/json"},
        name,
        json.dumps({"refresh": key}).encode(),
    )
    try:
        access = parse_json(answer, name)["access"]
    except (InputError, KeyError, TypeError) as error:
        raise RequestError(f"{name}: Label Studio did not exchange it for an access token") from error
    if not isinstance(access, str) or not access.isascii() or not access.isprintable():
        raise RequestError(f"{name}: Label Studio's access token must be text")
    return access
