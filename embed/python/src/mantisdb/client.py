"""The client that waits: `Client`. `AsyncClient` in `async_client` is the same for `await`."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, TypeVar

import httpx
from typing_extensions import Self

from . import _database as database
from ._changes import Feed
from ._core import Core, get
from ._database import TransactionCore
from ._kv import KvCore, Span
from ._steps import Answer, Close, Effect, Lost, Pause, Read, Request, Send, Steps, Work
from ._transport import Body, build, lost, options, stream_facts, to_base, to_core
from .errors import closed
from .operations import KeyOperation, Operation
from .types import (
    Applied,
    Bucket,
    BytesLike,
    Called,
    Change,
    Counted,
    Deleted,
    DeletedKeys,
    Each,
    Entry,
    Expect,
    Health,
    Isolation,
    Json,
    KeyPage,
    Limits,
    Outcome,
    Page,
    PluginInfo,
    Rejected,
    Retry,
    TableChange,
    Timeouts,
    Ttl,
    Written,
)

__all__ = ["ChangeFeed", "Client", "Kv", "Plugin", "Stream", "Transaction"]

T = TypeVar("T")
C = TypeVar("C", bound=Change | TableChange)


class _Run(Protocol):
    """Runs the steps of a call."""

    def __call__(self, steps: Steps[T], /) -> T: ...


# An open answer: the response, its pieces, and the connection that it holds.
_Open = tuple[httpx.Response, Iterator[bytes], httpx.Client]


class _Connections:
    """Connections, of which a thread has one to itself from a request to the end of its answer.

    A pool of httpcore that threads share closes a connection under a thread which begins to use it: it takes the answer
    for the end of an idle connection. So each of these has a pool of its own, with one connection at most.
    """

    def __init__(self, core: Core, base: str, make: Callable[[], httpx.Client]) -> None:
        self._core = core
        self._base = base
        self._make = make
        self._free = threading.Semaphore(core.limits.connections_max)
        self._lock = threading.Lock()
        # With the times of their last use, the oldest first.
        self._idle: list[tuple[float, httpx.Client]] = []

    def take(self) -> httpx.Client | Lost:
        if not self._free.acquire(timeout=self._core.timeouts.pool):
            return lost(self._base, httpx.PoolTimeout("no connection became free"))
        try:
            with self._lock:
                if self._core.closed:
                    raise closed()
                if self._idle:
                    return self._idle.pop()[1]
            return self._make()
        except BaseException:
            self._free.release()
            raise

    def give(self, http: httpx.Client) -> None:
        limits, now = self._core.limits, time.monotonic()
        with self._lock:
            ended = []
            if self._core.closed or len(self._idle) >= limits.connections_idle_max:
                ended.append(http)
            else:
                self._idle.append((now, http))
            while self._idle and now - self._idle[0][0] > limits.idle_seconds:
                ended.append(self._idle.pop(0)[1])
        self._free.release()
        for one in ended:
            one.close()

    def close(self) -> None:
        """Closes those that are idle. Those in use are closed by the threads that use them."""
        with self._lock:
            self._core.closed = True
            idle, self._idle = self._idle, []
        for _, http in idle:
            http.close()


class _Runner:
    """Does what steps ask for, and waits for it."""

    def __init__(self, core: Core, base: str, connections: _Connections) -> None:
        self._core = core
        self._base = base
        self._connections = connections

    def run(self, steps: Steps[T], pause: Callable[[float], object] = time.sleep) -> T:
        try:
            effect = next(steps)
            while True:
                try:
                    given = self._do(effect, pause)
                except BaseException as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(given)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _do(self, effect: Effect, pause: Callable[[float], object]) -> Any:
        match effect:
            case Send(request, stream):
                return self._send(request, stream)
            case Read(stream):
                return self._read(stream)
            case Close((response, _, http)):
                try:
                    return response.close()
                finally:
                    self._connections.give(http)
            case Pause(seconds):
                return pause(seconds)
            case Work(function, transaction):
                return function(Transaction(transaction, self.run))

    def _send(self, request: Request, stream: bool) -> Answer | Lost:
        http = self._connections.take()
        if isinstance(http, Lost):
            return http
        response: httpx.Response | None = None
        is_open = False
        try:
            response = http.send(build(http, self._core, self._base, request), stream=True)
            if stream and response.is_success:
                is_open = True
                return Answer(response.status_code, response.headers, b"", (response, response.iter_bytes(), http))
            body = Body(self._core, response)
            for piece in response.iter_bytes():
                body.add(piece)
            return body.answer(response)
        except (httpx.TransportError, httpx.DecodingError) as cause:
            return lost(self._base, cause)
        finally:
            if not is_open:
                if response is not None:
                    response.close()
                self._connections.give(http)

    def _read(self, stream: _Open) -> bytes | Lost | None:
        try:
            return next(stream[1], None)
        except (httpx.TransportError, httpx.DecodingError, httpx.StreamError) as cause:
            return lost(self._base, cause)


class Kv:
    """The keys and values of one bucket. Outside a transaction each call is atomic by itself."""

    __slots__ = ("_core", "_run")

    def __init__(self, core: KvCore, run: _Run) -> None:
        self._core = core
        self._run = run

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._core.bucket

    def get(self, key: BytesLike) -> bytes | None:
        """The value; None if the key is missing or has expired."""
        return self._run(self._core.get(key))

    def get_entry(self, key: BytesLike) -> Entry | None:
        """The value with its version, media type and times."""
        return self._run(self._core.get_entry(key))

    def get_many(self, keys: Sequence[BytesLike]) -> list[bytes | None]:
        """The values of up to 1,000 keys in one snapshot, in the order of the keys."""
        return self._run(self._core.get_many(keys))

    def stream(self, key: BytesLike) -> Stream:
        """A value that is read piece by piece, in a `with` block. Raises `key-not-found`."""
        return Stream(self._core.value_request(key), self._run, self._core.opened)

    def set(
        self, key: BytesLike, value: BytesLike, *, media_type: str | None = None, ttl: Ttl | None = None
    ) -> Written:
        """Writes a value, as `application/octet-stream` and until it is deleted if nothing else is said."""
        return self._run(self._core.set(key, value, media_type, ttl))

    def set_with(
        self,
        key: BytesLike,
        value: BytesLike,
        *,
        media_type: str | None = None,
        ttl: Ttl | None = None,
        expect: Expect = "anything",
    ) -> Outcome:
        """Writes a value if the key is as expected; otherwise `Refused`, with what is there."""
        return self._run(self._core.set_with(key, value, media_type, ttl, expect))

    def cas(self, key: BytesLike, value: BytesLike, version: int | None, *, media_type: str | None = None) -> Outcome:
        """Compares and swaps: writes if the key has this version, or with None if it is missing."""
        return self._run(self._core.cas(key, value, version, media_type))

    def set_json(self, key: BytesLike, value: Json, *, ttl: Ttl | None = None, expect: Expect = "anything") -> Outcome:
        """Stores a value as a JSON document, of the media type `application/json`."""
        return self._run(self._core.set_json(key, value, ttl, expect))

    def get_json(self, key: BytesLike) -> Json:
        """The value, read as JSON; None if the key is missing. Raises `not-json` for any other value."""
        return self._run(self._core.get_json(key))

    def delete(self, key: BytesLike) -> Deleted:
        """Deletes a key, and says whether it had a value."""
        return self._run(self._core.delete(key))

    def delete_if(self, key: BytesLike, expect: Expect) -> Outcome:
        """Deletes a key if it is as expected."""
        return self._run(self._core.delete_if(key, expect))

    def increment(self, key: BytesLike, by: int = 1) -> Counted:
        """Adds to a decimal number of 64 bits stored as text; a missing key counts as 0."""
        return self._run(self._core.increment(key, by))

    def scan(
        self,
        *,
        prefix: BytesLike | None = None,
        start: BytesLike | None = None,
        end: BytesLike | None = None,
        reverse: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page:
        """A page of entries in key order: up to `limit`, at most 1,000. `end` is exclusive."""
        return self._run(self._core.scan(Span(prefix, start, end, reverse, limit, cursor)))

    def scan_keys(
        self,
        *,
        prefix: BytesLike | None = None,
        start: BytesLike | None = None,
        end: BytesLike | None = None,
        reverse: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> KeyPage:
        """A page of keys in order."""
        return self._run(self._core.scan_keys(Span(prefix, start, end, reverse, limit, cursor)))

    def pages(
        self,
        *,
        prefix: BytesLike | None = None,
        start: BytesLike | None = None,
        end: BytesLike | None = None,
        reverse: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Iterator[Page]:
        """All pages of a scan. Each has the cursor with which another scan continues after it."""
        while True:
            page = self._run(self._core.scan(Span(prefix, start, end, reverse, limit, cursor)))
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    def entries(
        self,
        *,
        prefix: BytesLike | None = None,
        start: BytesLike | None = None,
        end: BytesLike | None = None,
        reverse: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Iterator[Entry]:
        """All entries of a span, read page by page; `limit` is the size of a page."""
        for page in self.pages(prefix=prefix, start=start, end=end, reverse=reverse, limit=limit, cursor=cursor):
            yield from page.entries

    def count(
        self, *, prefix: BytesLike | None = None, start: BytesLike | None = None, end: BytesLike | None = None
    ) -> int:
        """The number of keys. It transfers all of them."""
        return self._run(self._core.count(Span(prefix, start, end)))

    def delete_span(
        self, *, prefix: BytesLike | None = None, start: BytesLike | None = None, end: BytesLike | None = None
    ) -> DeletedKeys:
        """Deletes the keys of a span, all keys without any; outside a transaction in commits of 1,000."""
        return self._run(self._core.delete_span(prefix, start, end))

    def apply(self, operations: Sequence[KeyOperation]) -> Applied | Rejected:
        """Runs up to 10,000 operations in order in one commit, all or none of them."""
        return self._run(self._core.apply(operations))

    def apply_each(self, operations: Sequence[KeyOperation]) -> list[Each]:
        """Runs operations in one request, each by itself: one that fails stops no other."""
        return self._run(self._core.apply_each(operations))


class Stream:
    """The bytes of an answer, piece by piece, in a `with` block. No more than a piece is in memory."""

    media_type: str
    version: int | None
    size: int | None
    """The number of bytes, where it is known."""

    def __init__(self, request: Request, run: _Run, opened: Callable[[Request], Steps[Answer]]) -> None:
        self._request = request
        self._run = run
        self._opened = opened
        self._answer: Answer | None = None

    def __enter__(self) -> Self:
        self._answer = self._run(self._opened(self._request))
        self.media_type, self.version, self.size = stream_facts(self._answer)
        return self

    def __exit__(self, *_: object) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            self._run(database.close_stream(answer))

    def __iter__(self) -> Iterator[bytes]:
        while piece := self._run(database.read_stream(self._answer)):
            yield piece


class Transaction:
    """Reads of one snapshot, and writes that become visible together at commit.

    As a `with` block it commits at the end, and rolls back if the block raises. One thread at a time uses it.
    """

    __slots__ = ("_core", "_run")

    def __init__(self, core: TransactionCore, run: _Run) -> None:
        self._core = core
        self._run = run

    @property
    def id(self) -> str:
        """For the header `Mantisdb-Transaction` of other clients. It is the only credential."""
        return self._core.state.open()

    @property
    def written(self) -> Written | None:
        """The outcome of the commit, once there is one."""
        return self._core.written

    def kv(self, bucket: str = "default") -> Kv:
        """A bucket whose calls belong to this transaction."""
        return Kv(self._core.kv(bucket), self._run)

    def batch(self, operations: Sequence[Operation]) -> Applied | Rejected:
        """Runs operations on keys and rows: one that fails or is refused undoes the batch, and nothing else."""
        return self._run(self._core.batch(operations))

    def commit(self) -> Written:
        """Ends the transaction, whatever the outcome. Raises `conflict` if another commit changed what was read."""
        return self._run(self._core.commit())

    def rollback(self) -> None:
        """Discards the writes. Does nothing if the transaction has ended already."""
        self._run(self._core.rollback())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(database.finish(self._core, failed=error is not None))


class ChangeFeed(Generic[C]):
    """Changes in order, without an end: an iterator, and a `with` block that closes it.

    A lost connection is opened again, and the feed goes on after the last change. `compacted` says that changes in
    between are no longer kept: read the state, then follow from there.
    """

    def __init__(self, feed: Feed[C], runner: _Runner) -> None:
        self._feed = feed
        self._runner = runner
        # A signal's handler may close the feed that it interrupts.
        self._reading = threading.RLock()
        self._closing = threading.Event()

    @property
    def cursor(self) -> str | None:
        """The place up to which everything was seen, for `since`; None before the feed is connected."""
        return self._feed.cursor

    def ready(self) -> None:
        """Connects: later commits will be shown. The first `next` does it too."""
        with self._reading:
            self._runner.run(self._feed.ready(), self._closing.wait)

    def close(self) -> None:
        """Ends the feed, also for a thread that waits for a change."""
        self._closing.set()
        self._feed.end()
        answer = self._feed.answer
        if answer is not None:
            _shut_down(answer.stream[0])
        with self._reading:
            self._runner.run(self._feed.close())

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> C:
        with self._reading:
            change = self._runner.run(self._feed.next(), self._closing.wait)
        if change is None:
            raise StopIteration
        return change

    def __enter__(self) -> Self:
        self.ready()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _shut_down(response: httpx.Response) -> None:
    """Wakes a thread that reads from the connection: closing a socket would not."""
    stream = response.extensions.get("network_stream")
    connection = None if stream is None else stream.get_extra_info("socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class Plugin:
    """A plugin on the server."""

    __slots__ = ("_core", "_run", "name")

    def __init__(self, name: str, core: Core, run: _Run) -> None:
        self.name = name
        self._core = core
        self._run = run

    def show(self) -> PluginInfo:
        """What is installed: its functions and their types, and its versions."""
        return self._run(database.plugin_info(self._core, self.name))

    def put(
        self,
        component: bytes,
        *,
        buckets: Mapping[str, Literal["read", "write"]] | None = None,
        limits: Mapping[str, int] | None = None,
        reuse: bool | None = None,
        reset: bool = False,
        expect: str | None = None,
    ) -> PluginInfo:
        """Installs a component, or its next version.

        What is not said stays as it was, or with `reset` becomes the default. `expect` is `absent`, or the revision
        that the plugin must have (`precondition-failed`).
        """
        steps = database.put_plugin(self._core, self.name, component, buckets, limits, reuse, reset, expect)
        return self._run(steps)

    def rollback(self, version: int | None = None, *, expect: str | None = None) -> PluginInfo:
        """Returns to a version, or to the one before the current one."""
        return self._run(database.rollback_plugin(self._core, self.name, version, expect))

    def remove(self, *, expect: str | None = None) -> None:
        """Removes the plugin with all its versions."""
        self._run(database.remove_plugin(self._core, self.name, expect))

    def call(self, function: str, arguments: Sequence[Json] | Mapping[str, Json] = ()) -> Json:
        """Calls a function, `name` or `interface.name`, with arguments in order or by their names.

        A call is one transaction. An error that the function returns is `plugin-error`, with the error as `value`.
        """
        return self.invoke(function, arguments).value

    def invoke(self, function: str, arguments: Sequence[Json] | Mapping[str, Json] = ()) -> Called:
        """Calls a function, and returns the commit of the call as well."""
        return self._run(database.call_plugin(self._core, self.name, function, arguments))


class Client:
    """A database on a server, by its address, such as `http://127.0.0.1:8080`.

    Sends nothing by itself: the first call shows whether the server answers. Threads may share a client. `headers` are
    sent with every request. Numbers with a fraction in rows are read with `parse_float`; `decimal.Decimal` keeps their
    digits. `verify` is False, or a context with the certificates that are trusted, and `proxy` the address of a proxy.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        retry: Retry | None = None,
        timeouts: Timeouts | None = None,
        limits: Limits | None = None,
        parse_float: Callable[[str], Any] = float,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
    ) -> None:
        self.url = to_base(url)
        self._core = to_core(retry, timeouts, limits, parse_float)
        given = options(self._core, headers, verify, proxy, connections_max=1)
        self._connections = _Connections(self._core, self.url, lambda: httpx.Client(**given))
        self._runner = _Runner(self._core, self.url, self._connections)
        self._run = self._runner.run
        self._feeds: weakref.WeakSet[ChangeFeed[Any]] = weakref.WeakSet()

    def close(self) -> None:
        """Ends feeds and connections. Every later call raises `closed`; those of other threads under way end first."""
        self._core.closed = True
        for feed in list(self._feeds):
            feed.close()
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def kv(self, bucket: str = "default") -> Kv:
        """The keys and values of a bucket. Its first write makes it."""
        return Kv(KvCore(self._core, bucket, None), self._run)

    def buckets(self) -> list[Bucket]:
        """All buckets, with their sizes."""
        return self._run(database.buckets(self._core))

    def drop_bucket(self, name: str) -> DeletedKeys:
        """Drops a bucket with its keys."""
        return self._run(database.drop_bucket(self._core, name))

    def batch(self, operations: Sequence[Operation]) -> Applied | Rejected:
        """Runs operations on keys and rows of any buckets and tables in order, in one commit: all or none of them."""
        return self._run(database.batch(self._core, operations, None))

    def transaction(self, isolation: Isolation = "serializable") -> Transaction:
        """Begins a transaction. The server rolls it back after 30 seconds without a request."""
        return Transaction(self._run(database.begin(self._core, isolation)), self._run)

    def transact(self, work: Callable[[Transaction], T], isolation: Isolation = "serializable") -> T:
        """Runs `work` in a transaction and commits it; after a conflict again, 8 times in all at most.

        After any other error it rolls back and raises that error. `outcome_unknown` is a commit that may have happened.
        """
        result: T = self._run(database.transact(self._core, work, isolation))
        return result

    def changes(
        self, since: str = "now", *, bucket: str | None = None, prefix: BytesLike | None = None
    ) -> ChangeFeed[Change]:
        """The changes of keys from `now`, from the `earliest` that is kept, or after a cursor."""
        return self._feed(database.key_feed(self._core, since, bucket, prefix))

    def table_changes(
        self, table: str, since: str = "now", *, filters: Sequence[tuple[str, str]] = ()
    ) -> ChangeFeed[TableChange]:
        """The changes of a table's rows. Filters are the dialect's: `("status", "eq.paid")`, `("select", "id")`."""
        return self._feed(database.table_feed(self._core, table, since, filters))

    def _feed(self, feed: Feed[C]) -> ChangeFeed[C]:
        shown = ChangeFeed(feed, self._runner)
        self._feeds.add(shown)
        return shown

    def tables(self) -> list[dict[str, Any]]:
        """The definitions of all tables."""
        return self._run(database.tables(self._core))

    def describe_table(self, name: str) -> dict[str, Any]:
        """A table's definition."""
        return self._run(database.describe_table(self._core, name))

    def create_table(self, name: str, definition: Mapping[str, Any]) -> bool:
        """Makes a table, or confirms that it is there with this definition. Whether it is new."""
        return self._run(database.create_table(self._core, name, definition))

    def alter_table(self, name: str, changes: Any) -> dict[str, Any]:
        """Alters a table: all of the changes or none. Its definition after that."""
        return self._run(database.alter_table(self._core, name, changes))

    def drop_table(self, name: str) -> None:
        """Drops a table with its rows."""
        self._run(database.drop_table(self._core, name))

    def plugins(self) -> list[PluginInfo]:
        """All plugins that are installed."""
        return self._run(database.plugins(self._core))

    def plugin(self, name: str) -> Plugin:
        """A plugin by its name. Sends nothing."""
        return Plugin(name, self._core, self._run)

    def backup(self) -> Stream:
        """The whole database at one commit, in a `with` block: the file that `mantisdb restore` takes."""
        return Stream(get("/backup"), self._run, lambda request: database.open_stream(self._core, request))

    def health(self) -> Health:
        """Whether the server takes writes."""
        return self._run(database.health(self._core))

    def stats(self) -> dict[str, Any]:
        """The server's figures, in groups."""
        return self._run(database.stats(self._core))
