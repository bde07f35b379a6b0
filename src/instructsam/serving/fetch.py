"""Images by URL: only from hosts that the server's settings list, never from addresses inside its network.

The name is resolved once, all of its addresses are checked, and the connection goes to a checked address (TLS still
verifies the name). Redirects are not followed; bytes and time are limited; nothing is taken from the environment.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from instructsam.serving.context import Context
from instructsam.serving.errors import RequestError, TooLargeError
from instructsam.serving.pictures import Picture, read_picture, read_picture_text
from instructsam.serving.settings import ServeSettings
from instructsam.structures.secrets import safe_url

FETCH_SECONDS = 20.0
_DEFAULT_PORTS = {"http": 80, "https": 443}
_CHUNK = 64 * 1024
_LONGEST_URL = 4096


async def read_image(context: Context, text: str, name: str = "image") -> Picture:
    """The image in a text field: base64, a data URI, or a URL of an allowed host.

    Raises:
        RequestError: the text is none of these, or the image cannot be fetched.
        TooLargeError, ImageError, BusyError: as `read_picture`.
    """
    if text[:8].lower().startswith(("http://", "https://")):
        content = await fetch(text, context.settings, name=name)
        return await read_picture(content, context.limits, name)
    return await read_picture_text(text, context.limits, name)


@dataclass(frozen=True)
class _Target:
    """A checked URL.

    Attributes:
        scheme, host, port: where to connect; `host` is in ASCII.
        path: with the query.
        private: the address may be inside the server's network.
    """

    scheme: str
    host: str
    port: int
    path: str
    private: bool

    @property
    def netloc(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"


async def fetch(
    url: str,
    settings: ServeSettings,
    headers: Mapping[str, str] | None = None,
    name: str = "image",
    body: bytes | None = None,
) -> bytes:
    """The content of a URL.

    Args:
        url: http or https, of an allowed host.
        settings: of the server.
        headers: of the request, such as an authorization for that host.
        name: for messages.
        body: sent by POST; None sends a GET.

    Raises:
        RequestError: the host is not allowed, or its address is private; no answer in time, or one other than 200.
        TooLargeError: the content is larger than a body may be.
    """
    target = _parse(url, settings, name)
    try:
        return await asyncio.wait_for(
            _fetch(target, headers or {}, body, settings.limits.max_bytes, name), FETCH_SECONDS
        )
    except asyncio.TimeoutError as error:
        raise RequestError(
            f"{name}: {safe_url(url)} did not answer within {FETCH_SECONDS:g} seconds"
        ) from error
    except (OSError, ssl.SSLError, h11.ProtocolError, asyncio.IncompleteReadError) as error:
        raise RequestError(f"{name}: {safe_url(url)} cannot be fetched ({type(error).__name__})") from error


def _parse(url: str, settings: ServeSettings, name: str) -> _Target:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        host = host.rstrip(".").encode("idna").decode() if ":" not in host else host
    except (ValueError, UnicodeError) as error:
        raise RequestError(f"{name}: the URL is invalid") from error
    if len(url) > _LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise RequestError(f"{name}: the URL must be at most {_LONGEST_URL} printable ASCII characters")
    if parts.username is not None or parts.password is not None:
        raise RequestError(f"{name}: the URL must not have a user name or password")
    port = port if port is not None else _DEFAULT_PORTS[parts.scheme]
    private = _listed(host, port, settings.allow_private_hosts)
    if not private and not _listed(host, port, settings.allow_hosts):
        raise RequestError(
            f"{name}: the host {host[:80]!r} is not allowed: send the image in base64, or start the server with "
            "--allow-host HOST or HOST:PORT"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return _Target(parts.scheme, host, port, path, private)


def _listed(host: str, port: int, allowed: tuple[str, ...]) -> bool:
    """Whether HOST (on the usual ports) or HOST:PORT is in a list."""
    names = [name.lower() for name in allowed]
    return f"{host}:{port}" in names or (host in names and port in _DEFAULT_PORTS.values())


async def _fetch(
    target: _Target, headers: Mapping[str, str], body: bytes | None, limit: int, name: str
) -> bytes:
    address = await _resolve(target, name)
    context = ssl.create_default_context() if target.scheme == "https" else None
    reader, writer = await asyncio.open_connection(
        address, target.port, ssl=context, server_hostname=target.host if context else None
    )
    try:
        connection = h11.Connection(h11.CLIENT)
        fields = [("Host", target.netloc), ("Accept-Encoding", "identity"), ("Connection", "close")]
        if body is not None:
            fields.append(("Content-Length", str(len(body))))
        method = "GET" if body is None else "POST"
        request = h11.Request(method=method, target=target.path, headers=[*fields, *headers.items()])
        for event in (request, h11.Data(data=body or b""), h11.EndOfMessage()):
            writer.write(connection.send(event) or b"")
        await writer.drain()
        return await _read_answer(connection, reader, limit, name)
    finally:
        writer.close()


async def _read_answer(
    connection: h11.Connection, reader: asyncio.StreamReader, limit: int, name: str
) -> bytes:
    parts: list[bytes] = []
    total = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(_CHUNK))
        elif isinstance(event, h11.Response):
            _check_answer(event, name)
        elif isinstance(event, h11.Data):
            total += len(event.data)
            if total > limit:
                raise TooLargeError(f"{name}: the content of the URL is larger than {limit} bytes")
            parts.append(bytes(event.data))
        elif isinstance(event, h11.EndOfMessage):
            return b"".join(parts)
        elif not isinstance(event, h11.InformationalResponse):
            raise RequestError(f"{name}: the host of the URL closed the connection")


def _check_answer(answer: h11.Response, name: str) -> None:
    if 300 <= answer.status_code < 400:
        raise RequestError(f"{name}: the URL redirects, which is not followed: send the final URL")
    if answer.status_code != 200:
        raise RequestError(f"{name}: the URL answered with status {answer.status_code}, 200 was expected")
    if any(key == b"content-encoding" and value.lower() != b"identity" for key, value in answer.headers):
        raise RequestError(f"{name}: the URL answered with a compressed body, which is not accepted")


async def _resolve(target: _Target, name: str) -> str:
    """An address of the host; all of its addresses are checked."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise RequestError(f"{name}: the host {target.host[:80]!r} cannot be resolved") from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not may_connect(address, target.private):
            raise RequestError(
                f"{name}: the host {target.host[:80]!r} has an address that is not public, which is refused"
            )
    return addresses[0]


def may_connect(address: str, private: bool = False) -> bool:
    """Whether images may be fetched from an IP address.

    Public ones only; with `private` also those of local networks and loopback. Link-local addresses, at which clouds
    serve credentials, never.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        embedded = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None) or _nat64(ip)
        if embedded is not None:
            return may_connect(str(embedded), private) and (private or ip.ipv4_mapped is not None)
    reserved = ip.is_reserved and not ip.is_loopback
    if ip.is_multicast or ip.is_unspecified or ip.is_link_local or reserved or ip in _METADATA:
        return False
    if private:
        return ip.is_private or ip.is_global
    return ip.is_global


_METADATA = (ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200"))
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))


def _nat64(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) if any(ip in network for network in _NAT64) else None
