"""A published data set: its files in the data folder, its publisher, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from instructsam.data.formats.source import Tally
from instructsam.data.record import Record
from instructsam.data.vocabulary import Vocabulary

TRAIN = "/train"  # sets to train on end so; every other one is for tests
COCO_IMAGES = "the pictures of MS COCO (train2014 for the RefCOCO family, train2017 and val2017 else)"


@dataclass(frozen=True)
class Published:
    """A published data set.

    Attributes:
        name: what the command line calls it; training sets end in "/train".
        files: annotation files or folders that must be there.
        images: folder of the pictures.
        publisher: by name.
        read: the records, from the data folder.
        list_images: the files of its pictures relative to the data folder, without reading any mask; None: those of the
            records.
        read_seeing: `read` for a set that annotates each of its categories in every picture, and a vocabulary that
            learns which picture shows which.
        borrowed: those of its files that another set has, too.
        list_licences: the licences of its pictures by file, from the data folder; None where none are stated.
    """

    name: str
    files: tuple[str, ...]
    images: str
    publisher: str
    read: Callable[[Path, Tally], Iterator[Record]]
    list_images: Callable[[Path], Iterable[str]] | None = None
    read_seeing: Callable[[Path, Tally, Vocabulary], Iterator[Record]] | None = None
    borrowed: tuple[str, ...] = ()
    list_licences: Callable[[Path], Mapping[str, str]] | None = None

    @property
    def train(self) -> bool:
        """Whether it is for training."""
        return self.name.endswith(TRAIN)

    def image_files(self, root: Path) -> list[str]:
        """The files of its pictures relative to the data folder, each once."""
        if self.list_images is not None:
            return list(dict.fromkeys(self.list_images(root)))
        return list(dict.fromkeys(record.image.file for record in self.read(root, Tally())))

    def missing(self, root: Path) -> list[str]:
        """Files that are not in the data folder; a .json file may replace a .p file."""
        needed = dict.fromkeys((*self.files, self.images))
        return [file for file in needed if not _is_there(root / file)]

    def has_annotations(self, root: Path) -> bool:
        """Whether all of its annotation files are in the data folder."""
        return all(_is_there(root / file) for file in self.files)

    def is_begun(self, root: Path) -> bool:
        """Whether some of its annotation files are in the data folder; those of others do not count."""
        return any(_is_there(root / file) for file in self.files if file not in self.borrowed)


def _is_there(path: Path) -> bool:
    return as_spelled(path).exists() or (path.suffix == ".p" and path.with_suffix(".json").exists())


def as_spelled(path: Path) -> Path:
    """The file as it lies there: MUSE's are published as muse_val.json and as MUSE_val.json."""
    other = path.with_name(path.name.replace("muse_", "MUSE_"))
    return other if other.exists() and not path.exists() else path
