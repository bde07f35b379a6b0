"""Pictures, batches of them, and the answers to a batch, as they travel between a run and its workers. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from PIL import Image

from instructsam.inference.answer_log import Content

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Source: TypeAlias = "Path | Image.Image | NDArray[np.uint8]"

_T = TypeVar("_T")


@dataclass(frozen=True)
class Picture:
    """An image to label.

    Attributes:
        name: of the image in results, relative to the input folder.
        source: its file, or pixels.
    """

    name: str
    source: Source

    @property
    def path(self) -> Path | None:
        """The file; None for pixels."""
        return self.source if isinstance(self.source, Path) else None


@dataclass(frozen=True)
class Batch:
    """Pictures that one call of the model answers.

    Attributes:
        index: place in the run, from 0.
        pictures: at least one.
        instructions: about each of them.
    """

    index: int
    pictures: tuple[Picture, ...]
    instructions: tuple[str, ...]

    def only(self, places: Sequence[int]) -> Batch:
        """The batch of some of the pictures."""
        return Batch(self.index, tuple(self.pictures[place] for place in places), self.instructions)


@dataclass(frozen=True)
class PictureAnswers:
    """The answers about one picture, or the reason why there are none.

    Attributes:
        answers: one per instruction, as `Prediction.to_dict` writes them.
        error: empty, or why the picture could not be answered.
        content: of the file.
        thumbnail: a small JPEG, where one was requested.
        image: upright RGB, where it is kept.
    """

    answers: tuple[dict[str, Any], ...] = ()
    error: str = ""
    content: Content | None = None
    thumbnail: bytes | None = None
    image: Image.Image | None = None


@dataclass(frozen=True)
class BatchAnswers:
    """The answers to a batch.

    Attributes:
        batch: the batch.
        pictures: one entry per picture.
        header: facts of the run (`RunSettings.header`); None while no model was needed.
    """

    batch: Batch
    pictures: tuple[PictureAnswers, ...]
    header: dict[str, Any] | None = field(default=None)


def pictures_per_batch(batch_size: int, instructions: int) -> int:
    """Pictures of a batch, so that one forward pass has at most `batch_size` answers."""
    return max(1, batch_size // max(1, instructions))


def chunks(items: Iterable[_T], size: int) -> Iterator[Sequence[_T]]:
    """Consecutive items, `size` at a time; read as needed."""
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk
