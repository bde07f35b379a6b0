"""`LabelRun`: the answers about the images of a folder, stored in the log of `instructsam segment`. No torch.

Batches are fixed by the order of the images, and are stored as a whole: a run that was killed and resumed stores the
same answers as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from instructsam.errors import ImageError
from instructsam.inference.answer_log import AnswerLog, Content, Key, NewAnswer
from instructsam.inference.image_list import FoundImage
from instructsam.inference.run_requests import Failure
from instructsam.labelling.answerer import Answerer
from instructsam.labelling.engine import answer_batches
from instructsam.labelling.pictures import (
    Batch,
    BatchAnswers,
    Picture,
    PictureAnswers,
    chunks,
    pictures_per_batch,
)

KeepThumbnail: TypeAlias = Callable[[Content, bytes], object]


@dataclass(frozen=True)
class Done:
    """An image whose answers are stored; `new` if this run computed one of them."""

    image: FoundImage
    new: bool


class LabelRun:
    """Answers the same instructions about many images.

    Args:
        answerers: one per device; they hash files.
        log: receives the answers, and has those of earlier runs.
        images: in the order of the results.
        instructions: about every image.
        keep_thumbnail: called with the thumbnail of every image that is decoded.
    """

    def __init__(
        self,
        answerers: Sequence[Answerer],
        log: AnswerLog,
        images: Sequence[FoundImage],
        instructions: Sequence[str],
        keep_thumbnail: KeepThumbnail | None = None,
    ) -> None:
        self._answerers, self._log, self._images = answerers, log, images
        self._instructions = tuple(instructions)
        self._keep_thumbnail = keep_thumbnail
        self._stored: list[Done] = []  # found while batches are made, until they are reported

    def run(self) -> Iterator[Done | Failure]:
        """Each image once, when its answers are stored or it has failed.

        Raises:
            InputError: an instruction cannot be used, the log is of another run, or writing failed. Earlier answers
                are in the log.
            InstructSAMError: the model cannot be opened, or its processes keep dying.
        """
        for answers in answer_batches(self._answerers, self._batches()):
            yield from self._reported()
            yield from self._store(answers)
        yield from self._reported()

    def _reported(self) -> Iterator[Done]:
        stored, self._stored = self._stored, []
        yield from stored

    def _batches(self) -> Iterator[Batch]:
        """Batches of the images without all answers, and about them the instructions that one of them lacks."""
        size = pictures_per_batch(self._answerers[0].batch_size, len(self._instructions))
        for index, images in enumerate(chunks(self._images, size)):
            pictures: list[Picture] = []
            missing: set[str] = set()
            for image in images:
                lacks = self._missing(image)
                if lacks:
                    pictures.append(Picture(image.name, image.path))
                    missing.update(lacks)
                else:
                    self._stored.append(Done(image, new=False))
            if pictures:
                texts = tuple(text for text in self._instructions if text in missing)
                yield Batch(index, tuple(pictures), texts)

    def _missing(self, image: FoundImage) -> Sequence[str]:
        content = stored_content(self._log, image)
        if content is None:
            return self._instructions
        keys = (Key(image.name, content.hash, text) for text in self._instructions)
        missing = []
        for key in keys:
            if key in self._log:
                self._log.moved(key, image.path)
            else:
                missing.append(str(key.instruction))
        return missing

    def _store(self, answers: BatchAnswers) -> Iterator[Done | Failure]:
        if answers.header is not None:
            self._log.begin(answers.header)
        new: list[NewAnswer] = []
        results: list[Done | Failure] = []
        for picture, found in zip(answers.batch.pictures, answers.pictures, strict=True):
            image = FoundImage(_path_of(picture), picture.name)
            if found.error or found.content is None:
                results.append(Failure(image.path, found.error))
                continue
            new += self._new_answers(answers.batch, image, found, found.content)
            results.append(Done(image, new=True))
            if self._keep_thumbnail is not None and found.thumbnail is not None:
                self._keep_thumbnail(found.content, found.thumbnail)
        if new:
            self._log.append_all(new)
        yield from results

    @staticmethod
    def _new_answers(
        batch: Batch, image: FoundImage, found: PictureAnswers, content: Content
    ) -> Iterator[NewAnswer]:
        for text, fields in zip(batch.instructions, found.answers, strict=True):
            yield NewAnswer(Key(image.name, content.hash, text), content, image.path, None, fields)


def stored_content(log: AnswerLog, image: FoundImage) -> Content | None:
    """The content of an image that has answers in the log; None without answers, or when the file cannot be read."""
    if not log.has_image(image.name):
        return None
    try:
        return log.content_of(image.path, image.name)
    except ImageError:  # reported when it is decoded
        return None


def _path_of(picture: Picture) -> Path:
    if picture.path is None:
        raise ValueError("a stored run labels files")
    return picture.path
