"""Folders of segments: local ones, and those of object stores by the URLs of fsspec. Reading alone."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any, Protocol

from instructsam.errors import InputError, MissingExtraError, first_line
from instructsam.structures.files import reason

SUFFIX = ".jsonl"
_MAX_OPEN = 32


def is_url(folder: str | Path) -> bool:
    """Whether this is a URL such as s3://bucket/run, and not a local path."""
    return "://" in str(folder) and not str(folder).startswith("file://")


def local_path(folder: str | Path) -> Path:
    """The path of a local folder, which may be a file:// URL."""
    return Path(str(folder).removeprefix("file://"))


class SegmentFolder(Protocol):
    """A folder of segments; a segment's name has no suffix."""

    def sizes(self) -> dict[str, int]:
        """Bytes of every segment, by name and in the order of names."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """A segment, for reading at any place."""
        ...

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Some bytes of a segment."""
        ...

    def path(self, name: str) -> str:
        """The path of a segment, for messages."""
        ...

    def close(self) -> None:
        """Close all files."""
        ...


class LocalFolder:
    """Segments in a local folder, which may be empty or absent."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._streams: OrderedDict[str, IO[bytes]] = OrderedDict()  # the one used last at the end
        self._mutex = threading.Lock()

    def sizes(self) -> dict[str, int]:
        """Bytes of every segment, by name and in the order of names."""
        try:
            with os.scandir(self.folder) as entries:
                found = {
                    entry.name.removesuffix(SUFFIX): entry.stat().st_size
                    for entry in entries
                    if entry.name.endswith(SUFFIX)
                }
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InputError(f"{self.folder}: cannot be read ({reason(error)})") from error
        return dict(sorted(found.items()))

    def open(self, name: str) -> IO[bytes]:
        """A segment, for reading at any place."""
        try:
            return (self.folder / f"{name}{SUFFIX}").open("rb")
        except OSError as error:
            raise InputError(f"{self.path(name)}: cannot be read ({reason(error)})") from error

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Some bytes of a segment, which stays open."""
        with self._mutex:
            stream = self._streams.pop(name, None) or self.open(name)
            self._streams[name] = stream
            if len(self._streams) > _MAX_OPEN:
                self._streams.popitem(last=False)[1].close()
            stream.seek(offset)
            return stream.read(length)

    def close(self) -> None:
        """Close all files."""
        with self._mutex:
            while self._streams:
                self._streams.popitem()[1].close()

    def path(self, name: str) -> str:
        """The path of a segment, for messages."""
        return str(self.folder / f"{name}{SUFFIX}")


class RemoteFolder:
    """Segments in an object store, or any other file system of fsspec."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.files, self.root = open_file_system(self.url)

    def sizes(self) -> dict[str, int]:
        """Bytes of every segment, by name and in the order of names."""
        self.files.invalidate_cache(self.root)
        try:
            entries = self.files.ls(self.root, detail=True)
        except FileNotFoundError:
            return {}
        found = {
            entry["name"].rpartition("/")[2].removesuffix(SUFFIX): int(entry["size"])
            for entry in entries
            if entry["name"].endswith(SUFFIX)
        }
        return dict(sorted(found.items()))

    def open(self, name: str) -> IO[bytes]:
        """A segment, for reading at any place."""
        try:
            stream: IO[bytes] = self.files.open(f"{self.root}/{name}{SUFFIX}", "rb")
        except OSError as error:
            raise InputError(f"{self.path(name)}: cannot be read ({reason(error)})") from error
        return stream

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Some bytes of a segment."""
        try:
            content: bytes = self.files.cat_file(f"{self.root}/{name}{SUFFIX}", offset, offset + length)
        except OSError as error:
            raise InputError(f"{self.path(name)}: cannot be read ({reason(error)})") from error
        return content

    def close(self) -> None:
        """Nothing stays open."""

    def write(self, name: str, content: bytes) -> None:
        """Write a whole segment at once, as object stores do."""
        try:
            self.files.makedirs(self.root, exist_ok=True)
            self.files.pipe_file(f"{self.root}/{name}{SUFFIX}", content)
        except OSError as error:
            raise InputError(f"{self.path(name)}: cannot be written ({reason(error)})") from error

    def path(self, name: str) -> str:
        """The path of a segment, for messages."""
        return f"{self.url}/{name}{SUFFIX}"


def open_file_system(url: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it.

    Raises:
        InputError: the protocol is unknown.
        MissingExtraError: fsspec, or its package for the protocol, is not installed.
    """
    try:
        import fsspec
    except ImportError as error:
        raise MissingExtraError(f"{url}: URLs need fsspec: pip install 'instructsam[engine]'") from error
    try:
        found: tuple[Any, str] = fsspec.core.url_to_fs(url)
    except ImportError as error:
        protocol = url.partition("://")[0]
        raise MissingExtraError(f"{protocol}:// needs another package: {first_line(error)}") from error
    except ValueError as error:
        raise InputError(f"{url}: expected a URL of fsspec such as s3://bucket/run, {error}") from error
    return found[0], found[1].rstrip("/")


def open_folder(folder: str | Path) -> LocalFolder | RemoteFolder:
    """The segments at a path or URL."""
    return RemoteFolder(str(folder)) if is_url(folder) else LocalFolder(local_path(folder))
