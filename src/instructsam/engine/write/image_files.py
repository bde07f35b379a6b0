"""The image files of an export: safe names, each file once, hard links where they are possible."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import unicodedata
from pathlib import Path, PurePosixPath

from instructsam.engine.row_images import RowImages
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError
from instructsam.images.folders import IMAGE_SUFFIXES
from instructsam.images.formats import open_header
from instructsam.structures.file_names import safe_file_name
from instructsam.structures.files import reason

FOLDER = "images"
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{name}{n}" for name in ("com", "lpt") for n in range(1, 10)}


class ImageFiles:
    """Puts the images of rows into `images/` of a split.

    Args:
        images: of the rows.
        link: whether local files are linked where the file system allows it.
    """

    def __init__(self, images: RowImages, link: bool) -> None:
        self.images, self.link = images, link
        self._taken: set[bytes] = set()

    def add(self, row: ImageRow, folder: Path) -> str:
        """The file of a row's image in the folder of its split, relative to it.

        Raises:
            InputError: the image cannot be read, or its file not be written.
        """
        path = self.images.path(row)
        content = self.images.content(row) if path is None else None
        file = f"{FOLDER}/{self._name(row.image.file, content)}"
        target = folder / file
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if content is not None:
                target.write_bytes(content)
            elif path is not None:
                self._copy(path, target)
        except OSError as error:
            place = self.images.place(row.image.file)
            raise InputError(f"the image {place} cannot be put into the export ({reason(error)})") from error
        return file

    def _copy(self, path: Path, target: Path) -> None:
        if self.link:
            try:
                os.link(os.path.realpath(path), target)
                return
            except OSError:  # another file system, or one without links: a copy is as good
                pass
        shutil.copyfile(path, target)

    def _name(self, file: str, content: bytes | None) -> str:
        """The name of the source where it is safe, on every file system, and not taken."""
        *folders, last = file.split("/")
        parts = [_safe(part) for part in folders]
        suffix = PurePosixPath(last).suffix
        if suffix.lower() not in IMAGE_SUFFIXES:
            stem, suffix = last, "" if content is None else _suffix_of(content, file)
        else:
            stem = last.removesuffix(suffix)
        name = "/".join([*parts, _safe(stem, suffix)])
        if _key(name) in self._taken:
            mark = "-" + hashlib.sha256(file.encode(errors="surrogatepass")).hexdigest()[:12]
            name = "/".join([*parts, _safe(stem + mark, suffix)])
        self._taken.add(_key(name))
        return name


def _safe(stem: str, suffix: str = "") -> str:
    """One part of a path that every file system takes, and that no system hides."""
    stem = stem if suffix else stem.rstrip(". ")
    name = safe_file_name(stem or "_", suffix)
    is_odd = name.startswith((".", " ", "-")) or stem.strip(". ").lower() in _RESERVED
    return f"_{name}" if is_odd else name


def _key(name: str) -> bytes:
    """Equal for names that some file system takes for one."""
    return hashlib.blake2b(unicodedata.normalize("NFC", name).casefold().encode(), digest_size=12).digest()


def _suffix_of(content: bytes, name: str) -> str:
    """The suffix of an image's format."""
    found = (open_header(io.BytesIO(content), name).format or "").lower()
    return {"jpeg": ".jpg", "mpo": ".jpg", "tiff": ".tif", "jpeg2000": ".jp2", "heif": ".heic"}.get(
        found, f".{found}" if f".{found}" in IMAGE_SUFFIXES else ""
    )
