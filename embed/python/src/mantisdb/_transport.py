"""What both clients do with httpx, but waiting."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from ._core import Core
from ._steps import Answer, Lost, Request
from ._version import __version__
from .errors import MantisError, closed, invalid
from .types import Limits, Retry, Timeouts

# A body is read whole in pieces of what arrives; the first look is at what the answer says of its length.
_OWN_HEADERS: Final = {
    "user-agent": f"mantisdb-python/{__version__}",
    # Compressing costs both sides more than sending between machines of one room.
    "accept-encoding": "identity",
    "accept": "*/*",
}


def to_base(url: str) -> str:
    """The address without a slash at its end."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and not (parts.query or parts.fragment)
        httpx.URL(url)
    except (ValueError, TypeError, AttributeError, httpx.InvalidURL) as cause:
        raise invalid("argument-invalid", f"{url!r} is no address: {cause}") from cause
    if not valid:
        raise invalid("argument-invalid", "the address of a server is http:// or https:// and a host, without a query")
    return url.rstrip("/")


def to_core(
    retry: Retry | None, timeouts: Timeouts | None, limits: Limits | None, parse_float: Callable[[str], Any]
) -> Core:
    return Core(retry or Retry(), timeouts or Timeouts(), limits or Limits(), parse_float)


def options(
    core: Core,
    headers: Mapping[str, str] | None,
    verify: ssl.SSLContext | bool,
    proxy: str | None,
    connections_max: int | None = None,
) -> dict[str, Any]:
    """The options of httpx's client."""
    limits = core.limits
    return {
        # One for all connections: reading the certificates takes some 20 ms.
        "verify": verify if isinstance(verify, ssl.SSLContext) else httpx.create_ssl_context(verify=verify),
        "proxy": proxy,
        "headers": {**_OWN_HEADERS, **(headers or {})},
        "timeout": timeout(core, None),
        "limits": httpx.Limits(
            max_connections=connections_max or limits.connections_max,
            max_keepalive_connections=limits.connections_idle_max,
            keepalive_expiry=limits.idle_seconds,
        ),
        "follow_redirects": False,
    }


def timeout(core: Core, read: float | None) -> httpx.Timeout:
    times = core.timeouts
    return httpx.Timeout(
        connect=times.connect, read=times.read if read is None else read, write=times.write, pool=times.pool
    )


def build(http: httpx.Client | httpx.AsyncClient, core: Core, base: str, request: Request) -> httpx.Request:
    read = request.read_timeout
    times = httpx.USE_CLIENT_DEFAULT if read is None else timeout(core, read)
    url = base + request.path
    try:
        return http.build_request(request.method, url, headers=request.headers, content=request.content, timeout=times)
    except httpx.InvalidURL as cause:
        raise invalid("argument-invalid", f"the request has no URL: {cause}") from cause


def lost(base: str, cause: Exception) -> Lost:
    """The meaning of an exception of httpx. Only before the connection is there nothing was sent."""
    if isinstance(cause, httpx.LocalProtocolError):
        raise invalid("argument-invalid", f"the request cannot be sent: {cause}") from cause
    if isinstance(cause, httpx.PoolTimeout):
        message = "all connections are in use: close feeds and streams, or raise connections_max"
        return Lost(_caused(MantisError("pool-timeout", message), cause), sent=False)
    is_unsent = isinstance(
        cause, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
    )
    said = str(cause) or type(cause).__name__
    if isinstance(cause, httpx.TimeoutException) and not is_unsent:
        return Lost(_caused(MantisError("timeout", f"{base} did not answer in time: {said}"), cause), sent=True)
    return Lost(_caused(MantisError("unreachable", f"cannot reach {base}: {said}"), cause), sent=not is_unsent)


def _caused(error: MantisError, cause: Exception) -> MantisError:
    error.__cause__ = cause
    return error


def unusable(core: Core, cause: RuntimeError) -> Exception:
    """httpx says so when its client was closed meanwhile."""
    return closed() if core.closed else cause


class Body:
    """The pieces of an answer that is read whole, up to the limit."""

    __slots__ = ("_bytes_max", "_length", "_pieces")

    def __init__(self, core: Core, response: httpx.Response) -> None:
        self._bytes_max = core.limits.answer_bytes_max
        self._pieces: list[bytes] = []
        self._length = 0
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._bytes_max:
            raise self._too_large()

    def add(self, piece: bytes) -> None:
        self._length += len(piece)
        if self._length > self._bytes_max:
            raise self._too_large()
        self._pieces.append(piece)

    def answer(self, response: httpx.Response) -> Answer:
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        return Answer(response.status_code, response.headers, body)

    def _too_large(self) -> MantisError:
        return MantisError("answer-too-large", f"the answer has more than {self._bytes_max} bytes")


def stream_facts(answer: Answer) -> tuple[str, int | None, int | None]:
    """The media type, the version and the length of a body that is read in pieces."""
    headers = answer.headers
    tag = headers.get("etag", "")
    digits = tag.removeprefix('"v').rstrip('"')
    version = digits if tag.startswith('"v') and digits.isdecimal() else headers.get("mantisdb-version", "")
    length = headers.get("content-length", "")
    return (
        headers.get("content-type", "application/octet-stream"),
        int(version) if version.isdecimal() else None,
        int(length) if length.isdecimal() else None,
    )
