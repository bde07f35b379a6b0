"""Runs over many images, one image at a time; each answer is on disk before it is returned.

A run with a log resumes: an answer that is stored for the same image, instruction and settings is not computed again,
and a missing overlay is drawn from it. No torch.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from instructsam.errors import ImageError, InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.inference.answer_log import AnswerLog, Content, Key
from instructsam.inference.overlay_names import OverlayNames
from instructsam.inference.run_requests import Answer, Failure, ImageRequest, RunSettings
from instructsam.structures.destinations import prepare_folder

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter
    from instructsam.structures.predictions import Prediction

INSTRUCTIONS_PER_CALL = 32  # about one image; at most this many answers are lost when a run is stopped
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


class FolderRun:
    """Computes the answers to requests, in order.

    Args:
        open_model: called once, when the first answer needs it.
        settings: of the run.
        log: for every answer, with those of an earlier run.
        overlays: whether to draw each answer into the folder of the log.
        loaded: images that are already loaded, by path.

    Attributes:
        header: facts of the run for the results; complete once the model is open.
    """

    def __init__(
        self,
        open_model: Callable[[], Segmenter],
        settings: RunSettings,
        log: AnswerLog | None = None,
        overlays: bool = False,
        loaded: Mapping[Path, LoadedImage] | None = None,
    ) -> None:
        self.header = settings.header_without_model()
        self._open_model = open_model
        self._settings = settings
        self.log = log
        self.overlays = overlays and log is not None
        self._names: OverlayNames | None = None
        self._loaded = dict(loaded or {})
        self._model: Segmenter | None = None

    def answers(self, requests: Iterable[ImageRequest]) -> Iterator[Answer | Failure]:
        """One answer or failure per instruction; a bad image is one failure.

        Raises:
            InputError: an instruction for every image cannot be used, the log is of another run, or writing failed.
                The earlier answers are in the log.
        """
        for request in requests:
            try:
                yield from _ImageRun(self, request).answers()
            except ImageError as problem:
                yield Failure(request.image, f"{request.place(1)}{problem}")

    def model(self) -> Segmenter:
        """The model, opened on first use and compared with the log."""
        if self._model is None:
            model = self._open_model()
            self.header = self._settings.header(model)
            if self.log is not None:
                self.log.begin(self.header)
            self._model = model
        return self._model

    def load(self, image: Path) -> LoadedImage:
        """Load an image, unless it is already loaded."""
        return self._loaded.pop(image, None) or load_image(image)

    def segment(self, loaded: LoadedImage, instructions: list[str | None]) -> list[Prediction]:
        """The model's answers, with the notes of the loader."""
        model, options = self.model(), self._settings.options()
        texts = [text for text in instructions if text is not None]
        if self._settings.phrases:
            text = texts[0] if texts else None  # at most one instruction
            found = [model.segment(loaded.image, text, phrases=list(self._settings.phrases), **options)]
        else:
            found = model.segment(loaded.image, texts, **options)
        return [replace(prediction, notes=(*loaded.notes, *prediction.notes)) for prediction in found]

    def of_every_image(self, instruction: str | None) -> bool:
        """Whether the instruction, or the phrases, applies to every image."""
        return instruction is None or self._settings.instructions_file is None

    def names(self) -> OverlayNames | None:
        """Names for overlays; None when none are drawn. The model must be open, since that may remove old overlays."""
        if self._names is None and self.overlays and self.log is not None:
            self._names = OverlayNames(self.log)
        return self._names


class _ImageRun:
    """The requests about one image."""

    def __init__(self, run: FolderRun, request: ImageRequest) -> None:
        self._run, self._request, self._log = run, request, run.log
        self._texts: list[str | None] = [*request.instructions] or [None]
        self._computed: dict[str | None, Prediction] = {}
        self._problems: dict[str | None, str] = {}
        self._content: Content | None = None
        self._image: LoadedImage | None = None

    def answers(self) -> Iterator[Answer | Failure]:
        if self._log is not None:
            if not os.path.isfile(self._request.image):
                self._load()  # raises the reason
            self._content = self._log.content_of(self._request.image, self._request.name)
            if len(self._log):
                self._run.model()  # checks that the stored answers are from this model
        for number, text in enumerate(self._texts, start=1):
            if self._is_open(text):
                left = dict.fromkeys(filter(self._is_open, self._texts[number - 1 :]))
                self._answer([*left][:INSTRUCTIONS_PER_CALL])
            if text in self._problems:
                where = self._request.place(number)
                yield Failure(self._request.image, f"{where}{self._problems[text]}")
            elif self._log is None or self._content is None:
                yield Answer(self._request.image, self._computed[text])
            else:
                yield from self._stored(self._log, self._content, number, text)

    def _key(self, text: str | None) -> Key:
        return Key(self._request.name, self._content.hash if self._content else "", text)

    def _is_open(self, text: str | None) -> bool:
        if text in self._problems or text in self._computed:
            return False
        return self._log is None or self._key(text) not in self._log

    def _load(self) -> LoadedImage:
        if self._image is None:
            self._image = self._run.load(self._request.image)
        return self._image

    def _answer(self, texts: list[str | None]) -> None:
        """Compute answers and store them at once."""
        try:
            predictions = self._run.segment(self._load(), texts)
        except ImageError:
            raise
        except InputError as problem:
            if self._run.of_every_image(texts[0]):
                raise
            if len(texts) == 1:
                self._problems[texts[0]] = str(problem)
                return
            for text in texts:
                self._answer([text])
            return
        for text, prediction in zip(texts, predictions, strict=True):
            self._computed[text] = prediction
            if self._log is not None and self._content is not None:
                overlay = self._new_overlay(self._log, text)
                self._log.append(self._key(text), self._content, self._request.image, overlay, prediction)

    def _new_overlay(self, log: AnswerLog, text: str | None) -> str | None:
        """Choose a name and remove the overlay of an outdated answer; a missing overlay is then drawn."""
        names = self._run.names()
        if names is None:
            return None
        before = log.overlay_before(self._request.image, text)
        if before is None:
            return names.choose(self._request, self._texts.index(text) + 1)
        (log.folder / before).unlink(missing_ok=True)
        return before

    def _stored(
        self, log: AnswerLog, content: Content, number: int, text: str | None
    ) -> Iterator[Answer | Failure]:
        key, image = self._key(text), self._request.image
        computed = self._computed.pop(
            text, None
        )  # it is in the log; thousands of masks need not stay in memory
        log.moved(key, image)
        prediction = computed or log.prediction(key)
        if self._run.names() is not None and log.overlay_of(key) is None:
            log.append(key, content, image, self._new_overlay(log, text), prediction)
        overlay = log.overlay_of(key)
        path = None if overlay is None else log.folder / overlay
        problem = None
        if path is not None and self._run.overlays and not path.is_file():
            problem = self._draw(prediction, path)
        drawn = path if path is not None and path.is_file() else None
        yield Answer(image, prediction, drawn, stored=computed is None)
        if problem is not None:
            yield Failure(image, f"{self._request.place(number)}{problem}")

    def _draw(self, prediction: Prediction, path: Path) -> str | None:
        """Draw an overlay; returns the reason if it cannot be written.

        Raises:
            InputError: the disk is full or failing.
        """
        if prediction.image is None:
            prediction = replace(prediction, image=self._load().image)
        try:
            prepare_folder(path.parent)
            prediction.save(path)
        except InputError as problem:
            cause = problem.__cause__
            if isinstance(cause, OSError) and cause.errno in _DISK_ERRORS:
                raise
            return str(problem)
        return None
