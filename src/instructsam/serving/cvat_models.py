"""Models of the CVAT function: in this process, or behind a running server."""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.request
from collections.abc import Sequence
from email.message import Message
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from instructsam.errors import InputError, ServiceError
from instructsam.serving.keys import read_key
from instructsam.structures.checks import parse_json
from instructsam.structures.masks import decode_rle
from instructsam.structures.safe_text import one_line
from instructsam.structures.secrets import safe_url

if TYPE_CHECKING:
    from PIL import Image

Found: TypeAlias = "tuple[NDArray[np.bool_], float]"
"""Mask [H, W] and score of an instance."""

_AT_ONCE = 16  # instructions of one request
_TRIES = 5  # while the server is busy or loads its model
_SECONDS = 120.0
_LONGEST_ANSWER = 256 * 2**20  # bytes


class Model(Protocol):
    """Finds instances."""

    def find(
        self, image: Image.Image, instructions: Sequence[str], threshold: float | None
    ) -> list[list[Found]]:
        """The instances of each instruction.

        Args:
            image: of any mode.
            instructions: at least one.
            threshold: minimum score; None for the model's default.
        """
        ...


class LocalModel:
    """A model in this process."""

    def __init__(self, model: str, device: str, dtype: str) -> None:
        from instructsam.inference.loading import load

        self._segmenter = load(model or None, device, dtype)

    def find(
        self, image: Image.Image, instructions: Sequence[str], threshold: float | None
    ) -> list[list[Found]]:
        """As `Model.find`."""
        predictions = self._segmenter.segment(image, list(instructions), score_threshold=threshold)
        return [
            [(mask, float(score)) for mask, score in zip(found.masks, found.scores, strict=True)]
            for found in (prediction.instances for prediction in predictions)
        ]


class RemoteModel:
    """A model behind `instructsam serve`."""

    def __init__(self, url: str, model: str = "", api_key_file: str = "") -> None:
        """Nothing is sent yet.

        Raises:
            InputError: the URL is invalid, or the key file cannot be read.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise InputError(f"url must be such as http://127.0.0.1:8000, got {safe_url(url)}")
        self._url = url.rstrip("/") + "/v1/segment"
        self._model = model or None
        self._headers = {"Content-Type": "application/json"}
        if api_key_file:
            self._headers["X-API-Key"] = read_key(Path(api_key_file))
        self._opener = urllib.request.build_opener(_NoRedirects)

    def find(
        self, image: Image.Image, instructions: Sequence[str], threshold: float | None
    ) -> list[list[Found]]:
        """As `Model.find`.

        Raises:
            ServiceError: the server cannot be reached, refuses, or answers otherwise than expected.
        """
        content = io.BytesIO()
        image.convert("RGB").save(content, "PNG", compress_level=1)
        body: dict[str, Any] = {"image": base64.b64encode(content.getvalue()).decode("ascii"), "masks": "rle"}
        if self._model is not None:
            body["model"] = self._model
        if threshold is not None:
            body["score_threshold"] = float(threshold)
        found: list[list[Found]] = []
        for start in range(0, len(instructions), _AT_ONCE):
            part = list(instructions[start : start + _AT_ONCE])
            answer = self._send({**body, "instructions": part})
            found += _instances(answer, len(part), image.size[::-1])
        return found

    def _send(self, body: dict[str, Any]) -> bytes:
        request = urllib.request.Request(self._url, json.dumps(body).encode(), self._headers, method="POST")
        tries_left = _TRIES
        while True:
            tries_left -= 1
            try:
                with self._opener.open(request, timeout=_SECONDS) as answer:
                    content: bytes = answer.read(_LONGEST_ANSWER)
                return content
            except HTTPError as error:
                with error:
                    if error.code == 503 and tries_left:
                        time.sleep(_pause(error.headers))
                        continue
                    raise ServiceError(
                        f"{safe_url(self._url)} answered with status {error.code}: {_message(error)}"
                    ) from error
            except (URLError, OSError) as error:
                cause = getattr(error, "reason", error)
                raise ServiceError(
                    f"{safe_url(self._url)} cannot be reached ({cause}): is `instructsam serve` running?"
                ) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would send the key to another host."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow none."""


def _pause(headers: Message) -> float:
    given = headers.get("Retry-After", "")
    return min(float(given), 30.0) if given.isdigit() else 1.0


def _message(error: HTTPError) -> str:
    try:
        return one_line(parse_json(error.read(65536), "the answer")["error"]["message"], 300)
    except (InputError, OSError, KeyError, TypeError):
        return str(error.reason)


def _instances(answer: bytes, count: int, size: tuple[int, int]) -> list[list[Found]]:
    try:
        predictions = parse_json(answer, "the answer", finite=True)["predictions"]
        found = [
            [(decode_rle(entry["mask"]), float(entry["score"])) for entry in prediction["instances"]]
            for prediction in predictions
        ]
    except (InputError, KeyError, TypeError, ValueError) as error:
        raise ServiceError(f"the server's answer is not that of /v1/segment ({error})") from error
    if len(found) != count or any(mask.shape != size for masks in found for mask, _ in masks):
        raise ServiceError(f"the server's answer must have {count} predictions about {size} px")
    return found
