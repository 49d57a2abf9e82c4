"""What the core asks of a client, as values.

A call is a generator that yields effects and gets their results. `Client` and `AsyncClient` run the same generators:
all they add is waiting.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from datetime import time as clock_time
from decimal import Decimal
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote
from uuid import UUID

from .errors import MantisError, invalid
from .types import Written

T = TypeVar("T")

JSON_TYPE = "application/json"
Query: TypeAlias = Sequence[tuple[str, str | bytes]] | Mapping[str, str | bytes | None]


@dataclass(slots=True)
class Request:
    """A request. `path` begins after the server's address and is percent-encoded."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes | None = None
    # Whether it may be sent again where the first one may have been done.
    safe: bool = False
    # The longest wait for bytes of the answer, in seconds, where it is not the client's.
    read_timeout: float | None = None
    # Sent also by a task that was cancelled.
    shielded: bool = False
    # Sent once, whatever comes of it.
    once: bool = False


@dataclass(slots=True)
class Answer:
    """An answer. `body` is empty where `stream` has the open response."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    stream: Any = None


@dataclass(slots=True)
class Lost:
    """There is no answer. `sent` is whether the request may have reached the server."""

    error: MantisError
    sent: bool


@dataclass(slots=True)
class Send:
    """Sends a request: `Answer | Lost`. With `stream` the body of a success is left to `Read`."""

    request: Request
    stream: bool = False


@dataclass(slots=True)
class Read:
    """The next bytes of a stream: `bytes | None | Lost`; None at its end."""

    stream: Any


@dataclass(slots=True)
class Close:
    """Closes a stream."""

    stream: Any


@dataclass(slots=True)
class Pause:
    """Waits so many seconds."""

    seconds: float


@dataclass(slots=True)
class Work:
    """Runs the user's function with a transaction, which the client wraps."""

    function: Any
    transaction: Any


Effect: TypeAlias = Send | Read | Close | Pause | Work
Steps: TypeAlias = Generator[Effect, Any, T]


def encoded(value: str | bytes) -> str:
    """Bytes in a URL: no slash stays one. A key of only dots does not go into a path at all."""
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise invalid("argument-invalid", "a text has half of a surrogate pair, which is no character") from None


def with_query(path: str, query: Query) -> str:
    pairs = query.items() if isinstance(query, Mapping) else query
    text = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in pairs if value is not None)
    return f"{path}?{text}" if text else path


def dumped(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), default=_as_text).encode()


def _as_text(value: Any) -> str:
    """What JSON has no form for, as columns read it."""
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, (date, clock_time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray)):
        return f"\\x{value.hex()}"
    raise TypeError(f"{type(value).__name__} has no form in JSON")


@contextmanager
def reading(answer: Answer) -> Iterator[None]:
    """Reads an answer. One that has not the form of MantisDB's is an error that says so."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as cause:
        message = f"the answer is not one of MantisDB: {type(cause).__name__}: {cause}"
        request_id = answer.headers.get("x-request-id")
        raise MantisError("answer-invalid", message, status=answer.status, request_id=request_id) from cause


def foreign(answer: Answer, *, outcome_unknown: bool = False) -> MantisError:
    """The error of a success that lacks what MantisDB always sends: something else answers at this address."""
    message = "the answer is not one of MantisDB: is something else at this address?"
    return MantisError("answer-invalid", message, status=answer.status, outcome_unknown=outcome_unknown)


def to_written(answer: Answer) -> Written:
    """The outcome of a write, from the headers of the answer. In a transaction only the commit has them."""
    with reading(answer):
        version = int(answer.headers.get("mantisdb-version", "0"))
        return Written(version, answer.headers.get("mantisdb-durable") == "true")


def to_time(text: str) -> datetime:
    """A time in UTC. Before Python 3.11 `fromisoformat` does not read a `Z`."""
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def to_error(answer: Answer) -> MantisError:
    """The error that an answer says."""
    try:
        problem = json.loads(answer.body)
    except (ValueError, RecursionError):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code = problem.get("code")
    message = problem.get("detail") or problem.get("message") or problem.get("title")
    hint = problem.get("hint")
    return MantisError(
        code if isinstance(code, str) else f"http-{answer.status}",
        str(message or f"the server answered {answer.status}"),
        status=answer.status,
        hint=hint if isinstance(hint, str) else None,
        request_id=answer.headers.get("x-request-id"),
        retry_after=_to_seconds(answer.headers.get("retry-after")),
        problem=problem,
    )


def _to_seconds(text: str | None) -> float | None:
    # The other form, a date, no server of ours sends.
    return float(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= 9 else None
