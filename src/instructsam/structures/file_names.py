"""Names of files: valid on every file system, and found in either Unicode normalisation."""

from __future__ import annotations

import hashlib
import os
import unicodedata
from pathlib import Path

MAX_NAME_BYTES = 255  # of one path component, on every common file system
_SYSTEM_NAMES = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"}  # lower case


def safe_file_name(stem: str, suffix: str) -> str:
    """`stem + suffix` as one path component that is valid on every file system.

    Separators, control characters and bytes that are not UTF-8 become `_`; a name of more than 255 bytes is cut and
    ends in a hash of the whole, so that two long names stay different.
    """
    clean = "".join(
        letter if letter.isprintable() and letter not in '/\\:*?"<>|' and not is_surrogate(letter) else "_"
        for letter in stem
    )
    name = clean + suffix
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    digest = "-" + hashlib.sha256(os.fsencode(stem)).hexdigest()[:12]
    room = MAX_NAME_BYTES - len((digest + suffix).encode())
    return clean.encode()[:room].decode("utf-8", errors="ignore") + digest + suffix


def is_surrogate(letter: str) -> bool:
    """Whether a character is a surrogate, which no encoding can write."""
    return "\ud800" <= letter <= "\udfff"


def is_system_file(name: str) -> bool:
    """Whether this is a file or folder that an operating system creates by itself.

    `._photo.jpg` and other hidden names, the `__MACOSX` folder of archives, `Thumbs.db`, `desktop.ini`.
    """
    return name.startswith(".") or name.lower() in _SYSTEM_NAMES


def find_file(folder: Path, relative: str) -> Path:
    """The file that a list names, also when its name is normalised differently on the disk (NFC, NFD on macOS).

    Args:
        folder: to which the list's paths are relative.
        relative: path in the list, forward slashes.

    Returns:
        The path as it is on the disk; without such a file, the path in the list.
    """
    exact = folder / relative
    if relative.isascii() or _exists(exact):
        return exact
    found = folder
    for part in relative.split("/"):
        forms = (part, unicodedata.normalize("NFC", part), unicodedata.normalize("NFD", part))
        candidates = [found / form for form in forms if _exists(found / form)]
        if not candidates:
            return exact
        found = candidates[0]
    return found


def _exists(path: Path) -> bool:
    return os.path.lexists(path)
