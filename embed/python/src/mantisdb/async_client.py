"""The client for `await`, on asyncio and trio: `AsyncClient`. `Client` in `client` is the same for threads."""

from __future__ import annotations

import ssl
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Protocol, TypeVar

import anyio
import httpx
from typing_extensions import Self

from . import _database as database
from ._changes import Feed
from ._core import Core, get
from ._database import TransactionCore
from ._kv import KvCore, Span
from ._steps import Answer, Close, Effect, Lost, Pause, Read, Request, Send, Steps, Work
from ._transport import Body, build, lost, options, stream_facts, to_base, to_core, unusable
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

__all__ = ["AsyncChangeFeed", "AsyncClient", "AsyncKv", "AsyncPlugin", "AsyncStream", "AsyncTransaction"]

T = TypeVar("T")
C = TypeVar("C", bound=Change | TableChange)


class _Run(Protocol):
    """Runs the steps of a call."""

    async def __call__(self, steps: Steps[T], /) -> T: ...


class _Runner:
    """Does what steps ask for, and awaits it."""

    def __init__(self, http: httpx.AsyncClient, base: str, core: Core) -> None:
        self._http = http
        self._base = base
        self._core = core
        # The requests and reads under way.
        self._scopes: set[anyio.CancelScope] = set()
        self._ended = anyio.Event()

    async def aclose(self) -> None:
        """Ends what is under way, and closes the connections."""
        self._core.closed = True
        with anyio.CancelScope(shield=True):
            while self._scopes:
                self._ended = anyio.Event()
                for scope in self._scopes:
                    scope.cancel()
                await self._ended.wait()
            await self._http.aclose()

    async def _connected(self, work: Awaitable[T], *, shielded: bool = False) -> T | Lost:
        with anyio.CancelScope(shield=shielded) as scope:
            self._scopes.add(scope)
            try:
                return await work
            finally:
                self._scopes.discard(scope)
                self._ended.set()
        # The client was closed, which cancels the scope.
        return Lost(closed(), sent=True)

    async def run(self, steps: Steps[T]) -> T:
        try:
            effect = next(steps)
            while True:
                try:
                    given = await self._do(effect)
                except BaseException as error:
                    effect = steps.throw(error)
                else:
                    effect = steps.send(given)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def _do(self, effect: Effect) -> Any:
        match effect:
            case Send(request, stream):
                return await self._connected(self._send(request, stream), shielded=request.shielded)
            case Read(stream):
                return await self._connected(self._read(stream))
            case Close((response, _)):
                with anyio.CancelScope(shield=True):
                    return await response.aclose()
            case Pause(seconds):
                return await anyio.sleep(seconds)
            case Work(function, transaction):
                return await function(AsyncTransaction(transaction, self.run))

    async def _send(self, request: Request, stream: bool) -> Answer | Lost:
        response: httpx.Response | None = None
        is_open = False
        try:
            response = await self._http.send(build(self._http, self._core, self._base, request), stream=True)
            if stream and response.is_success:
                is_open = True
                return Answer(response.status_code, response.headers, b"", (response, response.aiter_bytes()))
            body = Body(self._core, response)
            async for piece in response.aiter_bytes():
                body.add(piece)
            return body.answer(response)
        except (httpx.TransportError, httpx.DecodingError) as cause:
            return lost(self._base, cause)
        except RuntimeError as cause:
            raise unusable(self._core, cause) from cause
        finally:
            if response is not None and not is_open:
                with anyio.CancelScope(shield=True):
                    await response.aclose()

    async def _read(self, stream: tuple[httpx.Response, AsyncIterator[bytes]]) -> bytes | Lost | None:
        try:
            return await anext(stream[1], None)
        except (httpx.TransportError, httpx.DecodingError, httpx.StreamError) as cause:
            return lost(self._base, cause)


class AsyncKv:
    """The keys and values of one bucket. Outside a transaction each call is atomic by itself."""

    __slots__ = ("_core", "_run")

    def __init__(self, core: KvCore, run: _Run) -> None:
        self._core = core
        self._run = run

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self._core.bucket

    async def get(self, key: BytesLike) -> bytes | None:
        """The value; None if the key is missing or has expired."""
        return await self._run(self._core.get(key))

    async def get_entry(self, key: BytesLike) -> Entry | None:
        """The value with its version, media type and times."""
        return await self._run(self._core.get_entry(key))

    async def get_many(self, keys: Sequence[BytesLike]) -> list[bytes | None]:
        """The values of up to 1,000 keys in one snapshot, in the order of the keys."""
        return await self._run(self._core.get_many(keys))

    def stream(self, key: BytesLike) -> AsyncStream:
        """A value that is read piece by piece, in a `async with` block. Raises `key-not-found`."""
        return AsyncStream(self._core.value_request(key), self._run, self._core.opened)

    async def set(
        self, key: BytesLike, value: BytesLike, *, media_type: str | None = None, ttl: Ttl | None = None
    ) -> Written:
        """Writes a value, as `application/octet-stream` and until it is deleted if nothing else is said."""
        return await self._run(self._core.set(key, value, media_type, ttl))

    async def set_with(
        self,
        key: BytesLike,
        value: BytesLike,
        *,
        media_type: str | None = None,
        ttl: Ttl | None = None,
        expect: Expect = "anything",
    ) -> Outcome:
        """Writes a value if the key is as expected; otherwise `Refused`, with what is there."""
        return await self._run(self._core.set_with(key, value, media_type, ttl, expect))

    async def cas(
        self, key: BytesLike, value: BytesLike, version: int | None, *, media_type: str | None = None
    ) -> Outcome:
        """Compares and swaps: writes if the key has this version, or with None if it is missing."""
        return await self._run(self._core.cas(key, value, version, media_type))

    async def set_json(
        self, key: BytesLike, value: Json, *, ttl: Ttl | None = None, expect: Expect = "anything"
    ) -> Outcome:
        """Stores a value as a JSON document, of the media type `application/json`."""
        return await self._run(self._core.set_json(key, value, ttl, expect))

    async def get_json(self, key: BytesLike) -> Json:
        """The value, read as JSON; None if the key is missing. Raises `not-json` for any other value."""
        return await self._run(self._core.get_json(key))

    async def delete(self, key: BytesLike) -> Deleted:
        """Deletes a key, and says whether it had a value."""
        return await self._run(self._core.delete(key))

    async def delete_if(self, key: BytesLike, expect: Expect) -> Outcome:
        """Deletes a key if it is as expected."""
        return await self._run(self._core.delete_if(key, expect))

    async def increment(self, key: BytesLike, by: int = 1) -> Counted:
        """Adds to a decimal number of 64 bits stored as text; a missing key counts as 0."""
        return await self._run(self._core.increment(key, by))

    async def scan(
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
        return await self._run(self._core.scan(Span(prefix, start, end, reverse, limit, cursor)))

    async def scan_keys(
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
        return await self._run(self._core.scan_keys(Span(prefix, start, end, reverse, limit, cursor)))

    async def pages(
        self,
        *,
        prefix: BytesLike | None = None,
        start: BytesLike | None = None,
        end: BytesLike | None = None,
        reverse: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> AsyncIterator[Page]:
        """All pages of a scan. Each has the cursor with which another scan continues after it."""
        while True:
            page = await self._run(self._core.scan(Span(prefix, start, end, reverse, limit, cursor)))
            yield page
            cursor = page.cursor
            if cursor is None:
                return

    async def entries(
        self,
        *,
        prefix: BytesLike | None = None,
        start: BytesLike | None = None,
        end: BytesLike | None = None,
        reverse: bool = False,
        limit: int = 100,
        cursor: str | None = None,
    ) -> AsyncIterator[Entry]:
        """All entries of a span, read page by page; `limit` is the size of a page."""
        async for page in self.pages(prefix=prefix, start=start, end=end, reverse=reverse, limit=limit, cursor=cursor):
            for entry in page.entries:
                yield entry

    async def count(
        self, *, prefix: BytesLike | None = None, start: BytesLike | None = None, end: BytesLike | None = None
    ) -> int:
        """The number of keys. It transfers all of them."""
        return await self._run(self._core.count(Span(prefix, start, end)))

    async def delete_span(
        self, *, prefix: BytesLike | None = None, start: BytesLike | None = None, end: BytesLike | None = None
    ) -> DeletedKeys:
        """Deletes the keys of a span, all keys without any; outside a transaction in commits of 1,000."""
        return await self._run(self._core.delete_span(prefix, start, end))

    async def apply(self, operations: Sequence[KeyOperation]) -> Applied | Rejected:
        """Runs up to 10,000 operations in order in one commit, all or none of them."""
        return await self._run(self._core.apply(operations))

    async def apply_each(self, operations: Sequence[KeyOperation]) -> list[Each]:
        """Runs operations in one request, each by itself: one that fails stops no other."""
        return await self._run(self._core.apply_each(operations))


class AsyncStream:
    """The bytes of an answer, piece by piece, in a `async with` block. No more than a piece is in memory."""

    media_type: str
    version: int | None
    size: int | None
    """The number of bytes, where it is known."""

    def __init__(self, request: Request, run: _Run, opened: Callable[[Request], Steps[Answer]]) -> None:
        self._request = request
        self._run = run
        self._opened = opened
        self._answer: Answer | None = None

    async def __aenter__(self) -> Self:
        self._answer = await self._run(self._opened(self._request))
        self.media_type, self.version, self.size = stream_facts(self._answer)
        return self

    async def __aexit__(self, *_: object) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            await self._run(database.close_stream(answer))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while piece := await self._run(database.read_stream(self._answer)):
            yield piece


class AsyncTransaction:
    """Reads of one snapshot, and writes that become visible together at commit.

    As a `async with` block it commits at the end, and rolls back if the block raises. One task at a time uses it.
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

    def kv(self, bucket: str = "default") -> AsyncKv:
        """A bucket whose calls belong to this transaction."""
        return AsyncKv(self._core.kv(bucket), self._run)

    async def batch(self, operations: Sequence[Operation]) -> Applied | Rejected:
        """Runs operations on keys and rows: one that fails or is refused undoes the batch, and nothing else."""
        return await self._run(self._core.batch(operations))

    async def commit(self) -> Written:
        """Ends the transaction, whatever the outcome. Raises `conflict` if another commit changed what was read."""
        return await self._run(self._core.commit())

    async def rollback(self) -> None:
        """Discards the writes. Does nothing if the transaction has ended already."""
        await self._run(self._core.rollback())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._run(database.finish(self._core, failed=error is not None))


class AsyncChangeFeed(Generic[C]):
    """Changes in order, without an end: an iterator, and an `async with` block that closes it.

    A lost connection is opened again, and the feed goes on after the last change. `compacted` says that changes in
    between are no longer kept: read the state, then follow from there.
    """

    def __init__(self, feed: Feed[C], runner: _Runner) -> None:
        self._feed = feed
        self._runner = runner
        self._reading = anyio.Lock()
        self._scope: anyio.CancelScope | None = None

    @property
    def cursor(self) -> str | None:
        """The place up to which everything was seen, for `since`; None before the feed is connected."""
        return self._feed.cursor

    async def ready(self) -> None:
        """Connects: later commits will be shown. The first `anext` does it too."""
        await self._advance(self._feed.ready)

    async def aclose(self) -> None:
        """Ends the feed, also for a task that waits for a change."""
        self._feed.end()
        if self._scope is not None:
            self._scope.cancel()
        with anyio.CancelScope(shield=True):
            async with self._reading:
                await self._runner.run(self._feed.close())

    async def _advance(self, steps: Callable[[], Steps[T]]) -> T | None:
        async with self._reading:
            with anyio.CancelScope() as self._scope:
                try:
                    return await self._runner.run(steps())
                finally:
                    self._scope = None
        return None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> C:
        change = await self._advance(self._feed.next)
        if change is None:
            raise StopAsyncIteration
        return change

    async def __aenter__(self) -> Self:
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()


class AsyncPlugin:
    """A plugin on the server."""

    __slots__ = ("_core", "_run", "name")

    def __init__(self, name: str, core: Core, run: _Run) -> None:
        self.name = name
        self._core = core
        self._run = run

    async def show(self) -> PluginInfo:
        """What is installed: its functions and their types, and its versions."""
        return await self._run(database.plugin_info(self._core, self.name))

    async def put(
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
        return await self._run(steps)

    async def rollback(self, version: int | None = None, *, expect: str | None = None) -> PluginInfo:
        """Returns to a version, or to the one before the current one."""
        return await self._run(database.rollback_plugin(self._core, self.name, version, expect))

    async def remove(self, *, expect: str | None = None) -> None:
        """Removes the plugin with all its versions."""
        await self._run(database.remove_plugin(self._core, self.name, expect))

    async def call(self, function: str, arguments: Sequence[Json] | Mapping[str, Json] = ()) -> Json:
        """Calls a function, `name` or `interface.name`, with arguments in order or by their names.

        A call is one transaction. An error that the function returns is `plugin-error`, with the error as `value`.
        """
        return (await self.invoke(function, arguments)).value

    async def invoke(self, function: str, arguments: Sequence[Json] | Mapping[str, Json] = ()) -> Called:
        """Calls a function, and returns the commit of the call as well."""
        return await self._run(database.call_plugin(self._core, self.name, function, arguments))


class AsyncClient:
    """A database on a server, by its address, such as `http://127.0.0.1:8080`.

    Sends nothing by itself: the first call shows whether the server answers. Tasks may share a client. `headers` are
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
        self._http = httpx.AsyncClient(**options(self._core, headers, verify, proxy))
        self._runner = _Runner(self._http, self.url, self._core)
        self._run = self._runner.run
        self._feeds: weakref.WeakSet[AsyncChangeFeed[Any]] = weakref.WeakSet()

    async def aclose(self) -> None:
        """Ends feeds, calls and connections. Every later call raises `closed`."""
        self._core.closed = True
        for feed in list(self._feeds):
            await feed.aclose()
        await self._runner.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def kv(self, bucket: str = "default") -> AsyncKv:
        """The keys and values of a bucket. Its first write makes it."""
        return AsyncKv(KvCore(self._core, bucket, None), self._run)

    async def buckets(self) -> list[Bucket]:
        """All buckets, with their sizes."""
        return await self._run(database.buckets(self._core))

    async def drop_bucket(self, name: str) -> DeletedKeys:
        """Drops a bucket with its keys."""
        return await self._run(database.drop_bucket(self._core, name))

    async def batch(self, operations: Sequence[Operation]) -> Applied | Rejected:
        """Runs operations on keys and rows of any buckets and tables in order, in one commit: all or none of them."""
        return await self._run(database.batch(self._core, operations, None))

    async def transaction(self, isolation: Isolation = "serializable") -> AsyncTransaction:
        """Begins a transaction. The server rolls it back after 30 seconds without a request."""
        return AsyncTransaction(await self._run(database.begin(self._core, isolation)), self._run)

    async def transact(
        self, work: Callable[[AsyncTransaction], Awaitable[T]], isolation: Isolation = "serializable"
    ) -> T:
        """Runs `work` in a transaction and commits it; after a conflict again, 8 times in all at most.

        After any other error it rolls back and raises that error. `outcome_unknown` is a commit that may have happened.
        """
        result: T = await self._run(database.transact(self._core, work, isolation))
        return result

    def changes(
        self, since: str = "now", *, bucket: str | None = None, prefix: BytesLike | None = None
    ) -> AsyncChangeFeed[Change]:
        """The changes of keys from `now`, from the `earliest` that is kept, or after a cursor."""
        return self._feed(database.key_feed(self._core, since, bucket, prefix))

    def table_changes(
        self, table: str, since: str = "now", *, filters: Sequence[tuple[str, str]] = ()
    ) -> AsyncChangeFeed[TableChange]:
        """The changes of a table's rows. Filters are the dialect's: `("status", "eq.paid")`, `("select", "id")`."""
        return self._feed(database.table_feed(self._core, table, since, filters))

    def _feed(self, feed: Feed[C]) -> AsyncChangeFeed[C]:
        shown = AsyncChangeFeed(feed, self._runner)
        self._feeds.add(shown)
        return shown

    async def tables(self) -> list[dict[str, Any]]:
        """The definitions of all tables."""
        return await self._run(database.tables(self._core))

    async def describe_table(self, name: str) -> dict[str, Any]:
        """A table's definition."""
        return await self._run(database.describe_table(self._core, name))

    async def create_table(self, name: str, definition: Mapping[str, Any]) -> bool:
        """Makes a table, or confirms that it is there with this definition. Whether it is new."""
        return await self._run(database.create_table(self._core, name, definition))

    async def alter_table(self, name: str, changes: Any) -> dict[str, Any]:
        """Alters a table: all of the changes or none. Its definition after that."""
        return await self._run(database.alter_table(self._core, name, changes))

    async def drop_table(self, name: str) -> None:
        """Drops a table with its rows."""
        await self._run(database.drop_table(self._core, name))

    async def plugins(self) -> list[PluginInfo]:
        """All plugins that are installed."""
        return await self._run(database.plugins(self._core))

    def plugin(self, name: str) -> AsyncPlugin:
        """A plugin by its name. Sends nothing."""
        return AsyncPlugin(name, self._core, self._run)

    def backup(self) -> AsyncStream:
        """The whole database at one commit, in a `async with` block: the file that `mantisdb restore` takes."""
        return AsyncStream(get("/backup"), self._run, lambda request: database.open_stream(self._core, request))

    async def health(self) -> Health:
        """Whether the server takes writes."""
        return await self._run(database.health(self._core))

    async def stats(self) -> dict[str, Any]:
        """The server's figures, in groups."""
        return await self._run(database.stats(self._core))
