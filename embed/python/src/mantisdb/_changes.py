"""The change feed: opened again after a lost connection, after the last change that was seen."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from ._arguments import to_bucket, to_bytes, to_cursor
from ._core import _PASSING, Core, get
from ._forms import from_json_bytes
from ._steps import Answer, Close, Lost, Pause, Read, Steps, reading, to_time
from .errors import MantisError, closed
from .types import BytesLike, Change, TableChange

C = TypeVar("C", bound=Change | TableChange)

# The feed is refused for now.
_BUSY = _PASSING | {"streams-too-many", "overloaded", "memory-full", "starting", "connections-too-many"}


class Feed(Generic[C]):
    """A feed: where it is, and what has arrived."""

    def __init__(self, core: Core, query: Sequence[tuple[str, str | bytes]], since: str, of_rows: bool) -> None:
        self._core = core
        self._query = query
        self._of_rows = of_rows
        self.cursor: str | None = None if since in ("now", "earliest") else to_cursor(since)
        self._since = since
        self.answer: Answer | None = None
        self._rest = bytearray()
        self._found: deque[C] = deque()
        self._failures = 0
        self._failed: MantisError | None = None
        self._closed = False
        # Whether a cursor is known: later commits will be shown, whatever becomes of the connection.
        self._connected = False

    @property
    def closed(self) -> bool:
        return self._closed or self._core.closed

    def ready(self) -> Steps[None]:
        """Connects. After that later commits will be shown."""
        while not self._connected:
            if self.closed:
                raise closed()
            yield from self._advance()

    def next(self) -> Steps[C | None]:
        """The next change; None when the feed was closed."""
        while not self._found:
            if self.closed:
                return None
            yield from self._advance()
        return self._found.popleft()

    def end(self) -> None:
        """From now on nothing is shown."""
        self._closed = True

    def close(self) -> Steps[None]:
        self.end()
        if self.answer is not None:
            answer, self.answer = self.answer, None
            yield Close(answer.stream)

    def _advance(self) -> Steps[None]:
        """Reads a piece, or connects."""
        if self._failed is not None:
            raise self._failed
        if self.answer is None:
            yield from self._open()
            return
        answer = self.answer
        piece: bytes | Lost | None = yield Read(answer.stream)
        if isinstance(piece, bytes):
            try:
                self._take(piece, answer)
            except MantisError as error:
                # What came before it is shown first.
                self._failed = error
                self.answer = None
                yield Close(answer.stream)
            return
        self.answer = None
        yield Close(answer.stream)
        # A transport that was closed under a reader is the end that was asked for.
        if self.closed:
            return
        if not self._connected:
            raise piece.error if isinstance(piece, Lost) else _ended()
        yield from self._back_off(piece.error if isinstance(piece, Lost) else None)

    def _open(self) -> Steps[None]:
        since = self._since if self.cursor is None else self.cursor
        query = [*self._query, ("since", since), ("progress", "true")]
        request = get("/changes", query, headers={"accept": "application/x-ndjson"})
        request.read_timeout = self._core.timeouts.feed
        try:
            answer, error = yield from self._core.attempt(request, stream=True)
        except MantisError as lost:
            answer, error = None, lost
        if error is None and answer is not None:
            self._rest.clear()
            self.answer = answer
            return
        if self.closed:
            return
        # The first attempt must succeed: before that the address may be wrong.
        if error is not None and (not self._connected or error.code not in _BUSY):
            raise error
        yield from self._back_off(error)

    def _back_off(self, error: MantisError | None) -> Steps[None]:
        self._failures += 1
        yield Pause(self._core.pause_after(self._failures, error))

    def _take(self, piece: bytes, answer: Answer) -> None:
        """Takes the complete lines; one may continue in the next piece."""
        seen = max(len(self._rest) - 1, 0)
        self._rest += piece
        if self._rest.find(b"\n", seen) < 0:
            if len(self._rest) > self._core.limits.event_bytes_max:
                raise MantisError("answer-too-large", "a change has more bytes than the client takes")
            return
        *lines, rest = self._rest.split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if line.strip():
                self._take_line(bytes(line), answer)

    def _take_line(self, line: bytes, answer: Answer) -> None:
        with reading(answer):
            form = self._core.loads(line)
            if "error" in form:
                error = form["error"]
                raise MantisError(error["code"], error["message"])
            if "kind" in form:
                self._found.append(self._read(form))
            self.cursor = form["cursor"]
        self._connected = True
        self._failures = 0

    def _read(self, form: dict[str, Any]) -> Any:
        return _to_table_change(form) if self._of_rows else _to_change(form)


def key_query(bucket: str | None, prefix: BytesLike | None) -> list[tuple[str, str | bytes]]:
    query: list[tuple[str, str | bytes]] = [("values", "true")]
    if bucket is not None:
        query.append(("bucket", to_bucket(bucket)))
    if prefix is not None:
        query.append(("prefix", to_bytes(prefix, "a prefix")))
    return query


def _ended() -> MantisError:
    return MantisError("unreachable", "the feed ended before it began")


def _to_change(form: dict[str, Any]) -> Change:
    value, previous, expires_at = form.get("value"), form["previous_version"], form["expires_at"]
    return Change(
        form["kind"],
        form["bucket"],
        from_json_bytes(form["key"]),
        None if value is None else from_json_bytes(value),
        form.get("media_type"),
        None if expires_at is None else to_time(expires_at),
        int(form["version"]),
        None if previous is None else int(previous),
        to_time(form["time"]),
        form["cursor"],
    )


def _to_table_change(form: dict[str, Any]) -> TableChange:
    previous = form["previous_version"]
    matches = form.get("matches") or {}
    return TableChange(
        form["kind"],
        form["table"],
        form["schema_version"],
        int(form["version"]),
        None if previous is None else int(previous),
        to_time(form["time"]),
        form["cursor"],
        form.get("key"),
        form.get("row"),
        form.get("old"),
        matches.get("old"),
        matches.get("new"),
        form.get("schema"),
    )
