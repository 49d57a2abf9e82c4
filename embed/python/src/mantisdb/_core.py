"""Requests as they are sent: repeated where that is safe."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ._steps import JSON_TYPE, Answer, Lost, Pause, Query, Request, Send, Steps, dumped, reading, to_error, with_query
from .errors import MantisError, closed
from .types import Limits, Retry, Timeouts

API: Final = "/api/v1"

# Refused before anything was done: safe to repeat, whatever it was.
_REFUSED: Final = frozenset(
    {
        "overloaded",
        "memory-full",
        "53000",
        "starting",
        "streams-too-many",
        "connections-too-many",
        "transactions-too-many",
        "plugin-busy",
        "plugin-expected",
        # Of a proxy that limits rates.
        "http-429",
    }
)
# The server, or what stands between, may answer again soon. Whether it was done is unknown.
_PASSING: Final = frozenset(
    {"unreachable", "timeout", "request-timeout", "shutting-down", "http-502", "http-503", "http-504"}
)
# After these a write may be there.
_UNKNOWN: Final = frozenset({"internal", "storage-failed", "58030", "XX000"})


@dataclass(slots=True)
class Core:
    """What all calls of a client share. It holds no connection."""

    retry: Retry
    timeouts: Timeouts
    limits: Limits
    # Reads the numbers with a fraction in rows.
    parse_float: Callable[[str], Any] = float
    closed: bool = False
    # Whether the server has ever answered. Before that its address may be wrong, which waiting would only hide.
    reached: bool = False

    def attempt(self, request: Request, *, stream: bool = False) -> Steps[tuple[Answer, MantisError | None]]:
        """Sends a request, again where that is safe; for callers that need more of an error's answer than its code."""
        begun = time.monotonic()
        attempt = 1
        while True:
            if self.closed:
                raise closed()
            got: Answer | Lost = yield Send(request, stream)
            if isinstance(got, Answer):
                self.reached = True
                if got.status < 300:
                    return got, None
                error = to_error(got)
            else:
                error = got.error
            pause = self._pause(request, got, error, attempt)
            if pause is None or time.monotonic() - begun + pause > self.retry.elapsed_seconds_max:
                error.outcome_unknown = not request.safe and _is_unknown(got, error)
                if isinstance(got, Answer):
                    return got, error
                raise error
            yield Pause(pause)
            attempt += 1

    def _pause(self, request: Request, got: Answer | Lost, error: MantisError, attempt: int) -> float | None:
        """The seconds until the next attempt; None if there is none."""
        if request.once or attempt >= self.retry.attempts_max:
            return None
        if self.closed:
            return None
        if isinstance(got, Lost) and not got.sent:
            may = self.reached and error.code == "unreachable"
        else:
            # A deletion that removed some keys already counts them in its error.
            may = error.code in _REFUSED and "deleted" not in error.problem
            may = may or (request.safe and error.code in _PASSING)
        return self.pause_after(attempt, error) if may else None

    def pause_after(self, attempt: int, error: MantisError | None = None) -> float:
        """The server's own time, or one that doubles. Of random length, so that clients do not come back together."""
        longest = min(self.retry.pause_seconds * 2.0 ** min(attempt - 1, 32), self.retry.pause_seconds_max)
        pause = longest * random.uniform(0.5, 1.0)
        if error is None or error.retry_after is None:
            return pause
        return max(error.retry_after, pause)

    @staticmethod
    def random() -> float:
        """From 0 to 1."""
        return random.random()

    def loads(self, body: bytes) -> Any:
        return json.loads(body, parse_float=self.parse_float)

    def send(self, request: Request) -> Steps[Answer]:
        """Sends a request and raises what its answer says."""
        answer, error = yield from self.attempt(request)
        if error is not None:
            raise error
        return answer

    def json(self, request: Request) -> Steps[tuple[Any, Answer]]:
        """Sends a request and reads the JSON of its answer."""
        request.headers.setdefault("accept", JSON_TYPE)
        answer = yield from self.send(request)
        with reading(answer):
            return self.loads(answer.body), answer


def _is_unknown(got: Answer | Lost, error: MantisError) -> bool:
    if isinstance(got, Lost):
        return got.sent
    return error.code in _UNKNOWN or error.code in _PASSING or (got.status >= 500 and error.code.startswith("http-"))


def get(path: str, query: Query = (), *, base: str = API, headers: dict[str, str] | None = None) -> Request:
    """A request that only reads."""
    return Request("GET", with_query(base + path, query), dict(headers or {}), safe=True)


def post(path: str, query: Query = (), *, body: Any = None, safe: bool = False) -> Request:
    """A request with a JSON body, if there is one."""
    content = None if body is None else dumped(body)
    headers = {} if body is None else {"content-type": JSON_TYPE}
    return Request("POST", with_query(API + path, query), headers, content, safe=safe)
