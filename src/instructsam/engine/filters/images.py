"""The images of rows, compared with each other and with those of benchmarks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from instructsam.data.exclusion import BenchmarkImages
from instructsam.data.hash_cache import HashCache
from instructsam.data.image_hashes import SmallCopy, small_copy_of
from instructsam.engine.row_images import RowImages
from instructsam.engine.rows import ImageRow
from instructsam.errors import InputError

_UNREADABLE = "images that cannot be read, compared by name alone"
_NO_IMAGES = "images that are not opened, compared by name alone"


class SmallCopies:
    """The small copies of rows' images.

    Args:
        images: loads them; None: there are no copies.
        cache: keeps the hashes of files; it may be that of `BenchmarkImages`.

    Attributes:
        unreadable: images without a copy, by reason.
    """

    def __init__(self, images: RowImages | None = None, cache: HashCache | None = None) -> None:
        self.images = images
        self.cache = HashCache() if cache is None else cache
        self.unreadable: Counter[str] = Counter()

    def copies(self, rows: Sequence[ImageRow]) -> dict[str, SmallCopy]:
        """The small copy of each row's image, by the name of its file; none for one that cannot be read."""
        if self.images is None:
            self.unreadable[_NO_IMAGES] += len(rows)
            return {}
        paths = {row.image.file: path for row in rows if (path := self.images.path(row)) is not None}
        hashed = self.cache.small_copies(paths.values())
        found = {file: hashed[path] for file, path in paths.items() if path in hashed}
        for row in rows:
            if row.image.file not in paths:
                try:
                    found[row.image.file] = small_copy_of(self.images.load(row))
                except InputError:
                    continue
        if missing := len({row.image.file for row in rows} - found.keys()):
            self.unreadable[_UNREADABLE] += missing
        return found

    def benchmarks(self, rows: Sequence[ImageRow], benchmarks: BenchmarkImages) -> dict[str, str]:
        """The images that belong to a benchmark, by the name of their files, and the reason."""
        found: dict[str, str] = {}
        folders: dict[Path | None, dict[str, str]] = {}
        for row in rows:
            path = None if self.images is None else self.images.path(row)
            if path is None:
                folders.setdefault(None, {})[row.image.file] = row.image.file
            else:
                root = Path(path.absolute().anchor)
                folders.setdefault(root, {})[row.image.file] = path.absolute().relative_to(root).as_posix()
        for folder, files in folders.items():
            found.update(_matches(benchmarks, folder, files))
        return found


def _matches(
    benchmarks: BenchmarkImages, folder: Path | None, files: Mapping[str, str]
) -> Iterable[tuple[str, str]]:
    matches = benchmarks.find(folder, list(files.values()))
    for file, name in files.items():
        if (match := matches[name]) is not None:
            yield file, f"picture of {match.benchmark} (same {match.reason})"
