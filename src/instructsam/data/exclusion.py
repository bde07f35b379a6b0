"""No test image is trained on: records about pictures of a benchmark are left out of training data, and counted.

A picture is recognised by its file, by the identifier in its name (`image_keys`), by its bytes, and by its pixels,
which survive another size and compression (`image_hashes`). Bytes and pixels are compared only where names cannot tell:
when one of the two pictures has no identifier.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Literal, TypeAlias

from instructsam.data.formats.source import Tally
from instructsam.data.hash_cache import HashCache
from instructsam.data.image_hashes import SmallCopies
from instructsam.data.image_keys import ImageKey, image_key
from instructsam.data.record import Record
from instructsam.structures.file_names import find_file

Reason: TypeAlias = Literal["file", "image id", "bytes", "pixels"]
_BLOCK = 4096  # records that are compared together


@dataclass(frozen=True)
class Match:
    """The benchmark that a picture belongs to, and what they share."""

    benchmark: str
    reason: Reason

    def __str__(self) -> str:
        return f"instructions about pictures of {self.benchmark} (same {self.reason})"


@dataclass
class _Group:
    """Test pictures that are compared by content with some training pictures."""

    files: dict[Path, str] = field(default_factory=dict)  # and their benchmarks
    sizes: dict[int, list[Path]] | None = None
    copies: SmallCopies | None = None
    copied: list[Path] = field(default_factory=list)


class BenchmarkImages:
    """The pictures of benchmarks.

    Args:
        cache: keeps hashes of images.
        by_pixels: whether pictures without an identifier are compared by pixels, too; this decodes every image once.
    """

    def __init__(self, cache: HashCache | None = None, by_pixels: bool = True) -> None:
        self.cache = HashCache() if cache is None else cache
        self.by_pixels = by_pixels
        self.counts: dict[str, int] = {}
        self._files: dict[str, str] = {}
        self._keys: dict[ImageKey, str] = {}
        self._all, self._unnamed = _Group(), _Group()
        self._found: dict[str, Match | None] = {}

    def add(self, benchmark: str, folder: Path, files: Iterable[str]) -> None:
        """Add the pictures of a benchmark; `files` are relative to the folder."""
        files = list(dict.fromkeys(files))
        self.counts[benchmark] = len(files)
        for file in files:
            path = find_file(folder, file)
            self._files.setdefault(_real(path), benchmark)
            self._all.files.setdefault(path, benchmark)
            key = image_key(file)
            if key is not None:
                self._keys.setdefault(key, benchmark)
            else:
                self._unnamed.files.setdefault(path, benchmark)
        self._all = _Group(self._all.files)
        self._unnamed = _Group(self._unnamed.files)
        self._found.clear()

    def find(self, folder: Path | None, files: Sequence[str]) -> Mapping[str, Match | None]:
        """The benchmark of each picture, None for one of no benchmark.

        Args:
            folder: to which `files` are relative; None for images that are not files, of which only names are compared.
            files: names of pictures.
        """
        if folder is None:
            return {file: self._by_key(file) for file in files}
        paths = {file: find_file(folder, file) for file in dict.fromkeys(files)}
        real = {file: _real(path) for file, path in paths.items()}
        new = {file: path for file, path in paths.items() if real[file] not in self._found}
        open_named: dict[str, Path] = {}
        open_unnamed: dict[str, Path] = {}
        for file, path in new.items():
            if (benchmark := self._files.get(real[file])) is not None:
                self._found[real[file]] = Match(benchmark, "file")
            elif (match := self._by_key(file)) is not None:
                self._found[real[file]] = match
            else:
                (open_unnamed if image_key(file) is None else open_named)[file] = path
        for group, waiting in ((self._unnamed, open_named), (self._all, open_unnamed)):
            matches = self._by_content(group, list(waiting.values()))
            self._found |= {real[file]: matches.get(path) for file, path in waiting.items()}
        return {file: self._found[name] for file, name in real.items()}

    def _by_key(self, file: str) -> Match | None:
        key = image_key(file)
        benchmark = None if key is None else self._keys.get(key)
        return None if benchmark is None else Match(benchmark, "image id")

    def _by_content(self, group: _Group, paths: Sequence[Path]) -> dict[Path, Match]:
        if not group.files or not paths:
            return {}
        matches = self._by_bytes(group, paths)
        rest = [path for path in paths if path not in matches]
        if not self.by_pixels or not rest:
            return matches
        if group.copies is None:
            found = self.cache.small_copies(group.files)
            group.copied, group.copies = list(found), SmallCopies(list(found.values()))
        for path, copy in self.cache.small_copies(rest).items():
            index = group.copies.find(copy)
            if index is not None:
                matches[path] = Match(group.files[group.copied[index]], "pixels")
        return matches

    def _by_bytes(self, group: _Group, paths: Sequence[Path]) -> dict[Path, Match]:
        """Only files of equal size are read."""
        if group.sizes is None:
            group.sizes = {}
            for path in group.files:
                group.sizes.setdefault(_size(path), []).append(path)
            if absent := group.sizes.pop(0, []):
                logging.getLogger(__name__).warning(
                    "%d of %d test pictures are not in their folder, such as %s: only their names are compared",
                    *(len(absent), len(group.files), absent[0]),
                )
        sizes = group.sizes
        candidates = {path: sizes[size] for path in paths if (size := _size(path)) in sizes}
        tests = {test for found in candidates.values() for test in found}
        digests = {digest: test for test, digest in self.cache.sha256(tests).items()}
        same = self.cache.sha256(candidates).items()
        return {
            path: Match(group.files[digests[digest]], "bytes") for path, digest in same if digest in digests
        }


def exclude(
    records: Iterable[Record], tests: BenchmarkImages, folder: Path | None, tally: Tally
) -> Iterator[Record]:
    """The records without those about a test picture, which are counted by benchmark and reason.

    Args:
        folder: to which the records' image files are relative; None for images that are not files.
    """
    pictures: set[str] = set()
    excluded: dict[str, set[str]] = {}
    stream = iter(records)
    while block := list(islice(stream, _BLOCK)):
        found = tests.find(folder, [record.image.file for record in block])
        for record in block:
            file = record.image.file
            pictures.add(file)
            match = found[file]
            if match is None:
                yield record
            else:
                tally.leave_out(str(match), example=file)
                excluded.setdefault(match.benchmark, set()).add(file)
    for benchmark, files in excluded.items():
        logging.getLogger(__name__).warning(
            "%d of %d pictures are test pictures of %s: not trained on", len(files), len(pictures), benchmark
        )


def _real(path: Path) -> str:
    return os.path.realpath(path)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
