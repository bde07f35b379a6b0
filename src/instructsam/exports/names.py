"""Names of exported images and of the files beside them: safe on every file system, and each used once."""

from __future__ import annotations

import unicodedata
from pathlib import PurePath, PurePosixPath

from instructsam.structures.file_names import safe_file_name

_NUMBERED = "image_{:06d}.png"  # of an image in memory
_ROOM = " " * 20  # of a file name, for a number and a suffix


class UniqueNames:
    """Gives out relative paths with `/`, no two of which are the same on any file system (case, Unicode form)."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._images = 0

    def name(self, path: str | None, root: PurePath | None = None) -> str:
        """The name of the next image.

        Args:
            path: of the image file; None for an image in memory, which is numbered.
            root: the name is relative to this folder, if the path lies in it. Otherwise a relative path is kept, and
                of an absolute one the file name.
        """
        self._images += 1
        if path is None:
            return self.take(_NUMBERED.format(self._images))
        pure = PurePath(path)
        if root is not None and pure.is_relative_to(root):
            pure = pure.relative_to(root)
        elif pure.is_absolute():
            pure = PurePath(pure.name)
        return self.take(safe_path(pure.as_posix()))

    def take(self, name: str) -> str:
        """This name, or with `-2`, `-3`, ... before its suffix when it was given out before."""
        path = PurePosixPath(name)
        number, candidate = 1, name
        while (key := unicodedata.normalize("NFC", candidate).casefold()) in self._taken:
            number += 1
            candidate = path.with_name(safe_file_name(f"{path.stem}", f"-{number}{path.suffix}")).as_posix()
        self._taken.add(key)
        return candidate

    def stem(self, name: str) -> str:
        """The path of a file beside an image, without a suffix: "a/photo" of "a/photo.jpg", unless it was given out.

        Its last part has room for a number and a suffix.
        """
        path = PurePosixPath(name)
        return self.take(path.with_name(safe_file_name(path.stem, _ROOM)[: -len(_ROOM)]).as_posix())


def safe_path(name: str) -> str:
    """A relative path with `/` whose parts are valid on every file system; `..` and empty parts are left out."""
    parts = [part for part in PurePosixPath(name).parts if part not in ("/", "..", ".")]
    safe = [safe_file_name(part, "") for part in parts[:-1]]
    last = PurePosixPath(parts[-1]) if parts else PurePosixPath("image")
    suffix = last.suffix if last.suffix.isascii() and len(last.suffix) <= 10 else ""
    stem = last.name[: len(last.name) - len(suffix)]
    return "/".join([*safe, safe_file_name(stem, safe_file_name(suffix, ""))])
