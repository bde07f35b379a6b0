"""Rows from a source of records: all objects of an image, whichever records are about them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from instructsam.config import to_dict
from instructsam.data.formats.reader import RecordReader
from instructsam.data.formats.source import Tally
from instructsam.data.image_store import FolderImages
from instructsam.data.record import ImageRef
from instructsam.engine.digests import digest
from instructsam.engine.ingest.source import MISSING, UNREADABLE, files_digest
from instructsam.engine.ingest.spool import Spool, SpooledImage
from instructsam.engine.row_images import RowImages, StoreImages
from instructsam.engine.rows import ImageRow
from instructsam.engine.settings.source import SourceSettings
from instructsam.errors import ImageError
from instructsam.images.loader import read_size
from instructsam.structures.file_names import find_file

POINTS = "objects of which only a point is known"
CROWDS = (
    "crowd or ignored regions, which are no objects (they stay in the records as regions that no loss counts)"
)
OTHER_SIZE = "images of another size than their annotations state"


@dataclass(frozen=True)
class RecordRows:
    """The rows of a source of records.

    Attributes:
        reader: of the records.
        settings: of the source.
        images: of its rows.
        files: files and folders that the reader reads; none for a table of the hub.
        variant: differs between readers that give other records of the same files.
    """

    reader: RecordReader
    settings: SourceSettings
    images: RowImages
    files: tuple[Path, ...] = ()
    variant: str = ""

    def fingerprint(self) -> str:
        """Of the settings, and of sizes and times of the files."""
        return digest([self.reader.format, to_dict(self.settings), files_digest(self.files), self.variant])

    def rows(self, tally: Tally) -> Iterator[ImageRow]:
        """One row for each image."""
        with Spool(self.reader.name) as spool:
            for record in self.reader.read(tally):
                spool.add(record)
            for found in spool.images():
                if self._is_usable(found.image, tally):
                    yield self._row(found, tally)

    def _row(self, found: SpooledImage, tally: Tally) -> ImageRow:
        shown = tuple(instance for instance in found.instances if instance.known != "point")
        tally.leave_out(POINTS, len(found.instances) - len(shown), example=found.image.file)
        tally.leave_out(CROWDS, len(found.crowds), example=found.image.file)
        return ImageRow(
            id=found.image.file,
            image=found.image,
            instances=shown,
            source=source_label(self.reader.name),
            licence=found.licence or self.reader.licence(found.image.file) or self.settings.licence,
            meta={"crowds": list(found.crowds)} if found.crowds else {},
        )

    def _is_usable(self, image: ImageRef, tally: Tally) -> bool:
        """Whether the image is there; of files the header is read, too."""
        if not self.images.has(image.file):
            tally.leave_out(MISSING, example=self.images.place(image.file))
            return False
        store = self.reader.images
        if not isinstance(store, FolderImages) or not isinstance(self.images, StoreImages):
            return True
        try:
            size = read_size(find_file(store.folder, image.file))
        except ImageError as error:
            tally.leave_out(UNREADABLE, example=str(error))
            return False
        if size != (image.height, image.width):
            stated = f"{image.width} x {image.height} px stated, {size[1]} x {size[0]} found"
            tally.leave_out(OTHER_SIZE, example=f"{image.file}: {stated}")
        return size == (image.height, image.width)


def source_label(name: str) -> str:
    """The name of a source in what is published: of a path its last two parts, without the folders above."""
    return (
        "/".join(name.replace("\\", "/").rstrip("/").split("/")[-2:]) if not name.startswith("hf:") else name
    )
