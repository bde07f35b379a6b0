"""API keys: one key per server, read from a file, compared in constant time. No web framework here."""

from __future__ import annotations

import hmac
import os
import stat
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from instructsam.errors import InputError
from instructsam.structures.files import reason

MIN_LENGTH = 16  # characters of a key
MAX_LENGTH = 512


class Keys:
    """The key of a server; without one, every request is accepted."""

    def __init__(self, key: str | None = None) -> None:
        """A key.

        Raises:
            InputError: it is too short, too long, or not printable ASCII without spaces.
        """
        if key is not None and not (MIN_LENGTH <= len(key) <= MAX_LENGTH and _is_plain(key)):
            raise InputError(
                f"a key must have {MIN_LENGTH} to {MAX_LENGTH} printable ASCII characters without spaces, got one of "
                f"{len(key)}: make one with `python -c 'import secrets; print(secrets.token_urlsafe(32))'`"
            )
        self._digest = None if key is None else sha256(key.encode()).digest()

    @classmethod
    def load(cls, path: Path) -> Keys:
        """The key in the first line of a file.

        Raises:
            InputError: the file cannot be read, or as for the key itself.
        """
        key = read_key(path)
        try:
            return cls(key)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    @property
    def required(self) -> bool:
        """Whether requests need a key."""
        return self._digest is not None

    def accept(self, presented: Iterator[str] | list[str]) -> bool:
        """Whether one of these keys is the right one; takes the same time whichever characters differ."""
        if self._digest is None:
            return True
        found = [
            hmac.compare_digest(sha256(key.encode(errors="replace")).digest(), self._digest)
            for key in presented
        ]
        return any(found)


def read_key(path: Path) -> str:
    """The first line of a key file.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with path.open(encoding="utf-8") as file:
            return file.readline(4 * MAX_LENGTH).strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = reason(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InputError(f"cannot read the key file {path}: {cause}") from error


def readable_by_others(path: Path) -> bool:
    """Whether users other than the owner may read the file."""
    return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def presented_keys(headers: list[tuple[bytes, bytes]]) -> list[str]:
    """The keys in the headers of a request.

    Accepted: `Authorization: Bearer KEY`, `Authorization: Token KEY`, `Authorization: Basic` with the key as password,
    `X-API-Key: KEY` and `Token: KEY`.
    """
    keys: list[str] = []
    for name, value in headers:
        text = value.decode("latin-1").strip()
        if name.lower() in (b"x-api-key", b"token"):
            keys.append(text)
        elif name.lower() == b"authorization":
            scheme, _, rest = text.partition(" ")
            if scheme.lower() in ("bearer", "token"):
                keys.append(rest.strip())
            elif scheme.lower() == "basic":
                keys += _password(rest.strip())
    return keys


def _password(credentials: str) -> list[str]:
    try:
        _, colon, password = b64decode(credentials, validate=True).decode().partition(":")
    except (Base64Error, ValueError):
        return []
    return [password] if colon else []


def _is_plain(key: str) -> bool:
    return key.isascii() and key.isprintable() and " " not in key
