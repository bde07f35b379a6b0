"""Finds the images that an annotation file names by paths of another machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from instructsam.data.formats.source import Node
from instructsam.structures.checks import shorten
from instructsam.structures.file_names import find_file


class ImageFinder:
    """Image files below a folder.

    A path is looked for as it stands, then without its first folders: tools write paths such as
    `../../media/upload/4/a.jpg`, `images\\a.jpg` and `/data/local-files/?d=photos/a.jpg`.

    Args:
        folder: the folder that the images are in, or in one of its sub-folders `places`.
        places: sub-folders to look into, "" for the folder itself.
    """

    def __init__(self, folder: Path, places: Sequence[str] = ("",)) -> None:
        self.folder = folder
        self.places = tuple(dict.fromkeys(places))
        self._found: dict[str, str] = {}  # file -> the place that names it

    def find(self, node: Node) -> str:
        """The file that a node names, relative to the folder; the cleaned name if there is no such file.

        Raises:
            RecordError: two entries lead to one file, or the name is no file's.
        """
        name = node.text()
        parts = _parts(name)
        cleaned = Node("/".join(parts), node.file, node, f"({shorten(name)})").path()
        for start in range(len(parts)):
            for place in self.places:
                file = "/".join(filter(None, (place, *parts[start:])))
                if find_file(self.folder, file).is_file():
                    return self._once(file, node)
        return cleaned

    def _once(self, file: str, node: Node) -> str:
        first = self._found.setdefault(file, node.at())
        if first != node.at():
            raise node.wrong(
                f"a file of its own, but {file!r} is named before, too ({first})",
                "list each image once; keep the sub-folders of the images, or set data.images to the folder that the "
                "paths start in",
            )
        return file


def _parts(name: str) -> list[str]:
    """The folders and the name of a file, without a drive, steps upwards, and the server of a URL."""
    if "://" in name or name.startswith("/data/"):
        address = urlsplit(name)
        local = parse_qs(address.query).get("d")  # Label Studio serves local files so
        name = local[0] if local else unquote(address.path)
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return [part for part in parts if not part.endswith(":")] or [name]
