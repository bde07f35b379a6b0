"""`Answerer`: the answers to batches of pictures; the next pictures are decoded in threads while the model runs.

No torch until the model is opened, which happens when the first picture that can be read needs an answer.
"""

from __future__ import annotations

import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from instructsam.errors import ImageError, InputError
from instructsam.images.loader import LoadedImage, load_image
from instructsam.inference.answer_log import Content, file_content
from instructsam.inference.feature_cache import FeatureCache
from instructsam.inference.jobs import ImageJob
from instructsam.inference.run_requests import ModelFacts, RunSettings
from instructsam.labelling.pictures import Batch, BatchAnswers, Picture, PictureAnswers, chunks

if TYPE_CHECKING:
    from instructsam.inference.jobs import JobResult

INSTRUCTIONS_PER_CALL = 32  # about one picture: their masks are in memory together
DECODERS = 4  # threads
THUMBNAIL_SIDE = 320  # px
_CACHE_BYTES = 1 << 30  # features of pictures whose instructions take several calls


class JobModel(ModelFacts, Protocol):
    """The parts of `Segmenter` that label pictures."""

    def segment_jobs(
        self,
        jobs: Sequence[ImageJob],
        *,
        batch_size: int = 16,
        cache: FeatureCache | None = None,
        max_new_tokens: int = 128,
        max_phrases: int = 16,
    ) -> list[JobResult]:
        """As `Segmenter.segment_jobs`."""
        ...


@dataclass(frozen=True)
class Answerer:
    """Computes answers on one device; can be sent to another process.

    Attributes:
        open_model: called once, when the first answer needs it.
        settings: of the run.
        batch_size: answers per forward pass.
        hashed: whether to hash files and to make thumbnails, for a log and a review page.
        keep_images: whether answers carry the decoded image.
    """

    open_model: Callable[[], JobModel]
    settings: RunSettings = field(default_factory=RunSettings)
    batch_size: int = 16
    hashed: bool = False
    keep_images: bool = False

    def start(self) -> RunningAnswerer:
        """An answerer with its threads and, later, its model."""
        return RunningAnswerer(self)


@dataclass(frozen=True)
class _Decoded:
    """A picture in memory, or why it could not be read."""

    image: LoadedImage | None = None
    error: str = ""
    content: Content | None = None
    thumbnail: bytes | None = None


class RunningAnswerer:
    """A context manager that holds decoding threads and the model.

    Args:
        answerer: its options.
    """

    def __init__(self, answerer: Answerer) -> None:
        self._options = answerer
        self._model: JobModel | None = None
        self._header: dict[str, Any] | None = None
        self._cache = FeatureCache(_CACHE_BYTES)
        self._threads = ThreadPoolExecutor(DECODERS, thread_name_prefix="decode")

    def __enter__(self) -> RunningAnswerer:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def decode(self, batch: Batch) -> list[Future[_Decoded]]:
        """Start to decode the pictures of a batch in threads."""
        return [self._threads.submit(_decode, picture, self._options.hashed) for picture in batch.pictures]

    def run(self, batches: Iterable[Batch]) -> Iterator[BatchAnswers]:
        """The answers to batches, in order; one batch is decoded ahead."""
        waiting: deque[tuple[Batch, list[Future[_Decoded]]]] = deque()
        for batch in batches:
            waiting.append((batch, self.decode(batch)))
            if len(waiting) > 1:
                yield self.answer(*waiting.popleft())
        while waiting:
            yield self.answer(*waiting.popleft())

    def answer(self, batch: Batch, decoding: list[Future[_Decoded]]) -> BatchAnswers:
        """The answers to one batch.

        Raises:
            InputError: an instruction cannot be used.
            InstructSAMError: the model cannot be opened.
        """
        pictures = [future.result() for future in decoding]
        errors = {place: picture.error for place, picture in enumerate(pictures) if picture.image is None}
        answers: dict[int, list[dict[str, Any]]] = {place: [] for place in range(len(pictures))}
        for instructions in chunks(batch.instructions, INSTRUCTIONS_PER_CALL):
            usable = [place for place in answers if place not in errors]
            jobs = [self._job(pictures[place], tuple(instructions)) for place in usable]
            several = len(batch.instructions) > INSTRUCTIONS_PER_CALL
            for place, result in zip(usable, self._segment(jobs, several), strict=True):
                if isinstance(result, ImageError):
                    errors[place] = str(result)
                elif isinstance(result, InputError):  # such as an instruction that is too long
                    raise result
                else:
                    answers[place] += [prediction.to_dict() for prediction in result]
        found = (
            PictureAnswers(
                answers=() if place in errors else tuple(answers[place]),
                error=errors.get(place, ""),
                content=picture.content,
                thumbnail=picture.thumbnail,
                image=picture.image.image if self._options.keep_images and picture.image else None,
            )
            for place, picture in enumerate(pictures)
        )
        return BatchAnswers(batch, tuple(found), self._header)

    def _job(self, picture: _Decoded, instructions: tuple[str, ...]) -> ImageJob:
        if picture.image is None:
            raise ValueError("a picture that could not be read has no job")
        settings = self._options.settings
        key = picture.content.hash if picture.content else ""
        return ImageJob(
            picture.image,
            instructions,
            mode=settings.mode,
            score_threshold=settings.score_threshold,
            key=key,
        )

    def _segment(self, jobs: list[ImageJob], cached: bool) -> list[JobResult]:
        if not jobs:
            return []
        settings = self._options.settings
        if self._model is None:
            self._model = self._options.open_model()
            self._header = settings.header(self._model)
        return self._model.segment_jobs(
            jobs,
            batch_size=self._options.batch_size,
            cache=self._cache if cached else None,
            max_new_tokens=settings.max_new_tokens,
            max_phrases=settings.max_phrases,
        )


def _decode(picture: Picture, hashed: bool) -> _Decoded:
    path = picture.path
    try:
        if path is not None and not os.path.isfile(path):
            load_image(path)  # raises the reason
        content = file_content(path) if hashed and path is not None else None
        image = load_image(picture.source)
    except ImageError as problem:
        return _Decoded(error=str(problem))
    return _Decoded(image, "", content, make_thumbnail(image.image) if hashed else None)


def make_thumbnail(image: Image.Image) -> bytes:
    """A JPEG of at most `THUMBNAIL_SIDE` px, for review pages."""
    small = image.copy() if max(image.size) <= THUMBNAIL_SIDE else image.reduce(_whole_step(image.size))
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.BILINEAR)
    small.info = {}  # no comment of the original
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=80)
    return stream.getvalue()


def _whole_step(size: tuple[int, int]) -> int:
    """The factor by which an image is first reduced: at least twice the thumbnail's side stays."""
    return max(1, max(size) // (2 * THUMBNAIL_SIDE))
