"""Instructions about many images, answered one image at a time; each answer is on disk before it is handed over.

A run with a log resumes: an answer that is stored for the same picture, the same words and the same settings is not
computed again; an overlay that is missing is drawn from it. No torch.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from instructsam import __version__
from instructsam.errors import ImageError, InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.inference.answer_lines import OVERLAY_SUFFIX
from instructsam.inference.answer_log import AnswerLog, Content, Key
from instructsam.structures.answering import Mode
from instructsam.structures.destinations import prepare_folder
from instructsam.structures.file_names import safe_file_name

if TYPE_CHECKING:
    from instructsam.inference.segmenter import Segmenter
    from instructsam.structures.predictions import Prediction

INSTRUCTIONS_PER_CALL = 32  # about one image; what a stopped run can lose
_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


@dataclass(frozen=True)
class ImageRequest:
    """An image and the instructions about it.

    Attributes:
        image: path.
        name: its path relative to the input folder.
        instructions: one answer each; empty: one answer, to the phrases of the run.
        places: the file and line of each instruction, where they come from a file.
    """

    image: Path
    name: str
    instructions: tuple[str, ...]
    places: tuple[str, ...] = ()

    def place(self, number: int) -> str:
        """The beginning of a message about the instruction of this number, from 1."""
        return f"{self.places[number - 1]}: " if self.places else ""


@dataclass(frozen=True)
class RunSettings:
    """How every request of a run is answered.

    Attributes:
        mode: "auto", "generate" or "direct".
        score_threshold: None is the model's default.
        max_new_tokens, max_phrases: limits of the reply.
        phrases: given instead of letting the model write them.
        instructions: as far as they are the same for every image.
        instructions_file: name of the file that holds them otherwise.
        loading: settings of loading that change answers (dtype, quantize).
        facts: what the log and the results also report (model, command).
    """

    mode: Mode = "auto"
    score_threshold: float | None = None
    max_new_tokens: int = 128
    max_phrases: int = 16
    phrases: tuple[str, ...] = ()
    instructions: tuple[str, ...] = ()
    instructions_file: str | None = None
    loading: Mapping[str, str | None] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)

    def known(self) -> dict[str, Any]:
        """The settings that a stored run must have, as far as they are known without the model."""
        known: dict[str, Any] = {
            **self.loading,
            "max_new_tokens": self.max_new_tokens,
            "max_phrases": self.max_phrases,
            "phrases": list(self.phrases),
            "instructions": list(self.instructions),
            "instructions_file": self.instructions_file,
        }
        if self.score_threshold is not None:
            known["score_threshold"] = self.score_threshold
        if self.mode != "auto":
            known["mode"] = self.mode
        return known

    def header(self, model: Segmenter) -> dict[str, Any]:
        """Everything that the log and the results report of the run."""
        threshold = model.score_threshold if self.score_threshold is None else self.score_threshold
        settings = {
            "fingerprint": model.fingerprint,
            **self.known(),
            "score_threshold": threshold,
            "mode": model.default_mode if self.mode == "auto" else self.mode,
        }
        return {"version": __version__, **self.facts, "settings": settings}

    def header_without_model(self) -> dict[str, Any]:
        """The same of a run that answered nothing."""
        return {"version": __version__, **self.facts, "settings": self.known()}

    def options(self) -> dict[str, Any]:
        """The options of `Segmenter.segment`."""
        options: dict[str, Any] = {
            "score_threshold": self.score_threshold,
            "max_new_tokens": self.max_new_tokens,
            "max_phrases": self.max_phrases,
        }
        return options if self.mode == "auto" else {**options, "mode": self.mode}


@dataclass(frozen=True)
class Answer:
    """An answer; `stored` when an earlier run computed it, `overlay` when a picture of it was written."""

    image: Path
    prediction: Prediction
    overlay: Path | None = None
    stored: bool = False


@dataclass(frozen=True)
class Failure:
    """An image or an instruction about it that could not be answered, or an overlay that could not be written."""

    image: Path
    error: str


class FolderRun:
    """Answers requests in order.

    Args:
        open_model: called once, when the first answer needs it.
        settings: of the run.
        log: stores every answer, and holds those of an earlier run.
        overlays: draw each answer into the folder of the log.
        loaded: images that were loaded already, by path.

    Attributes:
        header: what the results report of the run; complete once the model is open.
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
            InputError: an instruction that is meant for every image cannot be used, the log is of another run, or
                the disk is full. What was answered before is in the log.
        """
        for request in requests:
            try:
                yield from _ImageRun(self, request).answers()
            except ImageError as problem:
                yield Failure(request.image, f"{request.place(1)}{problem}")

    def model(self) -> Segmenter:
        """The model, opened on first use; the log is compared with it before it counts."""
        if self._model is None:
            model = self._open_model()
            self.header = self._settings.header(model)
            if self.log is not None:
                self.log.begin(self.header)
            self._model = model
        return self._model

    def load(self, image: Path) -> LoadedImage:
        """Read an image, or take what was read before."""
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
        """Whether the instruction (or the phrases) is the same for every image."""
        return instruction is None or self._settings.instructions_file is None

    def names(self) -> OverlayNames | None:
        """Of overlays; None when none are drawn. The model must be open: until then old overlays may go."""
        if self._names is None and self.overlays and self.log is not None:
            self._names = OverlayNames(self.log)
        return self._names


class _ImageRun:
    """The requests about one image."""

    def __init__(self, run: FolderRun, request: ImageRequest) -> None:
        self._run, self._request, self._log = run, request, run.log
        self._texts: list[str | None] = [*request.instructions] or [None]
        self._fresh: dict[str | None, Prediction] = {}
        self._problems: dict[str | None, str] = {}
        self._content: Content | None = None
        self._image: LoadedImage | None = None

    def answers(self) -> Iterator[Answer | Failure]:
        if self._log is not None:
            if not os.path.isfile(self._request.image):
                self._load()  # raises what is wrong
            self._content = self._log.content_of(self._request.image, self._request.name)
            if len(self._log):
                self._run.model()  # stored answers count once they are known to be this model's
        for number, text in enumerate(self._texts, start=1):
            if self._is_open(text):
                left = dict.fromkeys(filter(self._is_open, self._texts[number - 1 :]))
                self._answer([*left][:INSTRUCTIONS_PER_CALL])
            if text in self._problems:
                where = self._request.place(number)
                yield Failure(self._request.image, f"{where}{self._problems[text]}")
            elif self._log is None or self._content is None:
                yield Answer(self._request.image, self._fresh[text])
            else:
                yield from self._stored(self._log, self._content, number, text)

    def _key(self, text: str | None) -> Key:
        return Key(self._request.name, self._content.hash if self._content else "", text)

    def _is_open(self, text: str | None) -> bool:
        if text in self._problems or text in self._fresh:
            return False
        return self._log is None or self._key(text) not in self._log

    def _load(self) -> LoadedImage:
        if self._image is None:
            self._image = self._run.load(self._request.image)
        return self._image

    def _answer(self, texts: list[str | None]) -> None:
        """Compute answers and store them, before anything else is done with them."""
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
            self._fresh[text] = prediction
            if self._log is not None and self._content is not None:
                overlay = self._new_overlay(self._log, text)
                self._log.append(self._key(text), self._content, self._request.image, overlay, prediction)

    def _new_overlay(self, log: AnswerLog, text: str | None) -> str | None:
        """Choose a name; a picture of an outdated answer goes, so that a missing overlay means one to be drawn."""
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
        fresh = self._fresh.pop(text, None)  # the log holds it: thousands of masks need not stay in memory
        log.moved(key, image)
        prediction = fresh or log.prediction(key)
        if self._run.names() is not None and log.overlay_of(key) is None:
            log.append(key, content, image, self._new_overlay(log, text), prediction)
        overlay = log.overlay_of(key)
        path = None if overlay is None else log.folder / overlay
        problem = None
        if path is not None and self._run.overlays and not path.is_file():
            problem = self._draw(prediction, path)
        drawn = path if path is not None and path.is_file() else None
        yield Answer(image, prediction, drawn, stored=fresh is None)
        if problem is not None:
            yield Failure(image, f"{self._request.place(number)}{problem}")

    def _draw(self, prediction: Prediction, path: Path) -> str | None:
        """Draw an overlay; the reason where this one cannot be written.

        Raises:
            InputError: the disk is full or fails.
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


class OverlayNames:
    """`<stem>.<k>.png` for the k-th answer about an image, in the subfolder of the image; no file is named twice.

    A file that the log does not know is never overwritten, be it an input or anything else.
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
