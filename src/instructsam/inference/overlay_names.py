"""File names of overlays."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from instructsam.inference.answer_lines import OVERLAY_SUFFIX
from instructsam.inference.answer_log import AnswerLog
from instructsam.inference.run_requests import ImageRequest
from instructsam.structures.file_names import safe_file_name


class OverlayNames:
    """`<stem>.<k>.png` for the k-th answer about an image, in the subfolder of the image; each name is used once.

    Existing files that are not in the log are never overwritten.
    """

    def __init__(self, log: AnswerLog) -> None:
        self._folder = log.folder
        self._taken = {overlay.lower() for overlay in log.overlays}
        self._variant: dict[str, int] = {}

    def choose(self, request: ImageRequest, number: int) -> str:
        """Path relative to the folder of the log, with `/`."""
        inside = [] if Path(request.name).is_absolute() else PurePosixPath(request.name).parts[:-1]
        folder = PurePosixPath(*(safe_file_name(part, "") for part in inside))
        stem = str(folder / request.image.stem)
        variant = self._variant.get(f"{stem}.{number}".lower(), 1)
        while True:
            suffix = "" if variant == 1 else f"-{variant}"
            path = folder / safe_file_name(f"{request.image.stem}{suffix}.{number}", OVERLAY_SUFFIX)
            variant += 1
            if str(path).lower() not in self._taken and not os.path.lexists(self._folder / path):
                self._taken.add(str(path).lower())
                self._variant[f"{stem}.{number}".lower()] = variant
                return str(path)
