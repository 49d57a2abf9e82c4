"""The calls on a whole database, as steps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ._arguments import segment, to_bucket, to_bytes, to_isolation
from ._changes import Feed, key_query
from ._core import API, Core, get, post
from ._forms import KEY_OPERATIONS, ROW_OPERATIONS, key_result, operation_form, row_result
from ._kv import KvCore, TransactionState
from ._steps import (
    JSON_TYPE,
    Answer,
    Close,
    Lost,
    Pause,
    Read,
    Request,
    Steps,
    Work,
    dumped,
    encoded,
    reading,
    to_time,
    to_written,
    with_query,
)
from .errors import MantisError, invalid
from .operations import Check, CheckRows, Get, Operation, SelectRows
from .types import (
    Applied,
    Bucket,
    BytesLike,
    Called,
    Change,
    DeletedKeys,
    Health,
    Isolation,
    PluginInfo,
    Refusal,
    Rejected,
    Result,
    TableChange,
    Written,
)

# Attempts of `transact`, the first included.
_ATTEMPTS_MAX = 8
# The longest pause after the first conflict, in seconds; it doubles with each further one.
_CONFLICT_PAUSE = 0.002
_CONFLICT_PAUSE_MAX = 1.0
# What a column's filter cannot have as its name in the feed.
_FEED_PARAMETERS = frozenset(
    {"bucket", "prefix", "table", "filters", "since", "wait", "values", "progress", "encoding"}
)
# A rollback that nobody waits for. The server rolls back by itself after 30 seconds.
_ROLLBACK_TIMEOUT = 2.0


class TransactionCore:
    """A transaction that a server holds open."""

    __slots__ = ("_core", "state", "written")

    def __init__(self, core: Core, transaction_id: str) -> None:
        self._core = core
        self.state = TransactionState(transaction_id)
        self.written: Written | None = None

    def kv(self, bucket: str) -> KvCore:
        return KvCore(self._core, bucket, self.state)

    def batch(self, operations: Sequence[Operation]) -> Steps[Applied | Rejected]:
        return (yield from batch(self._core, operations, self.state))

    def commit(self) -> Steps[Written]:
        transaction_id = self.state.open()
        self.state.id = None
        answer = yield from self._core.send(post(f"/transactions/{transaction_id}/commit"))
        self.written = to_written(answer)
        return self.written

    def rollback(self) -> Steps[None]:
        transaction_id, self.state.id = self.state.id, None
        if transaction_id is None:
            return
        request = Request("DELETE", f"{API}/transactions/{transaction_id}", safe=True)
        _, error = yield from self._core.attempt(request)
        # It was idle for too long, and the server rolled it back.
        if error is not None and error.code != "transaction-not-open":
            raise error

    def abandon(self) -> Steps[None]:
        """Rolls back after an error, which is what the caller gets, also where the server cannot be reached."""
        transaction_id, self.state.id = self.state.id, None
        if transaction_id is None:
            return
        path = f"{API}/transactions/{transaction_id}"
        request = Request("DELETE", path, read_timeout=_ROLLBACK_TIMEOUT, shielded=True)
        with suppress(MantisError):
            yield from self._core.attempt(request)


def begin(core: Core, isolation: Isolation, retry_token: str | None = None) -> Steps[TransactionCore]:
    query = {"isolation": to_isolation(isolation), "retry": retry_token}
    # One that nobody knows of ends by itself.
    form, answer = yield from core.json(post("/transactions", query, safe=True))
    with reading(answer):
        return TransactionCore(core, encoded(form["id"]))


def finish(transaction: TransactionCore, *, failed: bool) -> Steps[None]:
    """The end of a `with` block: commits, unless the block failed or has ended the transaction itself."""
    if failed:
        yield from transaction.abandon()
    elif transaction.state.id is not None:
        yield from transaction.commit()


def transact(core: Core, function: Callable[..., Any], isolation: Isolation) -> Steps[Any]:
    """Runs a function in a transaction, and again after a conflict."""
    retry_token: str | None = None
    attempt = 1
    while True:
        transaction = yield from begin(core, isolation, retry_token)
        try:
            result = yield Work(function, transaction)
            yield from transaction.commit()
            return result
        except BaseException as error:
            yield from transaction.abandon()
            if not isinstance(error, MantisError) or error.kind != "conflict" or attempt == _ATTEMPTS_MAX:
                raise
            # With the token of a commit's conflict a server knows which transaction comes again.
            token = error.problem.get("retry_token")
            retry_token = token if isinstance(token, str) else None
        yield Pause(conflict_pause(core, attempt))
        attempt += 1


def conflict_pause(core: Core, attempt: int) -> float:
    """Of random length, so that transactions that conflicted do not meet again."""
    longest = min(_CONFLICT_PAUSE * 2.0**attempt, _CONFLICT_PAUSE_MAX)
    return longest * core.random()


def batch(
    core: Core, operations: Sequence[Operation], transaction: TransactionState | None
) -> Steps[Applied | Rejected]:
    """Operations on keys and rows of any buckets and tables, all or none."""
    operations = list(operations)
    for operation in operations:
        if not isinstance(operation, (*KEY_OPERATIONS, *ROW_OPERATIONS)):
            raise invalid("argument-invalid", f"{operation!r} is no operation of a batch")
    try:
        body = {"operations": [operation_form(operation) for operation in operations]}
        request = post("/batch", {"details": "true", "numbers": "string"}, body=body)
    except (TypeError, ValueError, RecursionError) as cause:
        raise invalid("argument-invalid", f"JSON has no text for an operation: {cause}") from cause
    request.safe = all(isinstance(operation, (Get, Check, SelectRows, CheckRows)) for operation in operations)
    request.headers["accept"] = JSON_TYPE
    if transaction is not None:
        request.headers["mantisdb-transaction"] = transaction.open()
    answer, error = yield from core.attempt(request)
    if error is not None:
        if error.code != "check-failed":
            raise error
        with reading(answer):
            return Rejected([_refusal(form) for form in error.problem["operations"]])
    written = to_written(answer)
    with reading(answer):
        forms = core.loads(answer.body)["results"]
        results = [_result(*pair) for pair in zip(operations, forms, strict=True)]
    return Applied(written.version, written.durable, results)


def _result(operation: Operation, form: dict[str, Any]) -> Result:
    if isinstance(operation, KEY_OPERATIONS):
        return key_result(operation, form)
    return row_result(operation, form)


def _refusal(form: dict[str, Any]) -> Refusal:
    version = form.get("version")
    version = None if version is None else int(version)
    return Refusal(form["index"], None, version, form.get("matched"), "version" in form)


def key_feed(core: Core, since: str, bucket: str | None, prefix: BytesLike | None) -> Feed[Change]:
    return Feed(core, key_query(bucket, prefix), since, of_rows=False)


def table_feed(core: Core, table: str, since: str, filters: Sequence[tuple[str, str]]) -> Feed[TableChange]:
    return Feed(
        core,
        [("table", to_bytes(table, "a table's name")), *(_grouped(*pair) for pair in filters)],
        since,
        of_rows=True,
    )


def _grouped(name: str, value: str) -> tuple[str, str]:
    """A filter on a column whose name is a parameter of the feed stands in a group."""
    if name not in _FEED_PARAMETERS:
        return name, value
    operator, _, operand = value.rpartition(".")
    if any(character in operand for character in ',()"\\') and not operand.startswith("("):
        quoted = operand.replace("\\", "\\\\").replace('"', '\\"')
        operand = f'"{quoted}"'
    return "and", f"({name}.{operator}.{operand})"


def buckets(core: Core) -> Steps[list[Bucket]]:
    form, answer = yield from core.json(get("/buckets"))
    with reading(answer):
        return [Bucket(one["name"], one["keys"], one["bytes"]) for one in form["buckets"]]


def drop_bucket(core: Core, name: str) -> Steps[DeletedKeys]:
    request = Request("DELETE", f"{API}/buckets/{to_bucket(name)}?drop=true")
    form, answer = yield from core.json(request)
    written = to_written(answer)
    with reading(answer):
        return DeletedKeys(written.version, written.durable, int(form["deleted"]))


def health(core: Core) -> Steps[Health]:
    """503 is an answer here: the server is there and takes no writes. Not repeated, as it is asked for now."""
    request = get("/health", base="")
    request.once = True
    answer, error = yield from core.attempt(request)
    if error is not None and answer.status != 503:
        raise error
    with reading(answer):
        form = json.loads(answer.body)
        return Health(form["status"] == "healthy", to_time(form["timestamp"]), form.get("reason"))


def stats(core: Core) -> Steps[dict[str, Any]]:
    form, _ = yield from core.json(get("/stats", base=""))
    return dict(form)


# Tables: their definitions. Rows are postgrest-py's.


def tables(core: Core) -> Steps[list[dict[str, Any]]]:
    form, answer = yield from core.json(get("/schema/tables"))
    with reading(answer):
        return list(form["tables"])


def describe_table(core: Core, name: str) -> Steps[dict[str, Any]]:
    form, _ = yield from core.json(get(_table(name)))
    return dict(form)


def create_table(core: Core, name: str, definition: Mapping[str, Any]) -> Steps[bool]:
    answer = yield from core.send(_defining("PUT", name, definition))
    return answer.status == 201


def alter_table(core: Core, name: str, changes: Any) -> Steps[dict[str, Any]]:
    form, _ = yield from core.json(_defining("PATCH", name, changes))
    return dict(form)


def drop_table(core: Core, name: str) -> Steps[None]:
    yield from core.send(Request("DELETE", API + _table(name), {"accept": JSON_TYPE}))


def _defining(method: str, name: str, document: Any) -> Request:
    try:
        content = dumped(document)
    except (TypeError, ValueError, RecursionError) as cause:
        raise invalid("argument-invalid", f"JSON has no text for the definition: {cause}") from cause
    return Request(method, API + _table(name), {"accept": JSON_TYPE, "content-type": JSON_TYPE}, content)


def _table(name: str) -> str:
    return f"/schema/tables/{segment(name, 'table')}"


# Plugins.


def plugins(core: Core) -> Steps[list[PluginInfo]]:
    form, answer = yield from core.json(get("/plugins"))
    with reading(answer):
        return [_plugin(one) for one in form["plugins"]]


def plugin_info(core: Core, name: str) -> Steps[PluginInfo]:
    form, answer = yield from core.json(get(_plugin_path(name)))
    return _read_plugin(form, answer)


def put_plugin(
    core: Core,
    name: str,
    component: bytes,
    buckets: Mapping[str, str] | None,
    limits: Mapping[str, int] | None,
    reuse: bool | None,
    reset: bool,
    expect: str | None,
) -> Steps[PluginInfo]:
    grants = None if buckets is None else ",".join(f"{bucket}:{access}" for bucket, access in buckets.items())
    query: dict[str, str | bytes | None] = {
        "buckets": grants,
        "reuse": None if reuse is None else str(reuse).lower(),
        **{limit: str(value) for limit, value in (limits or {}).items()},
        "reset": "true" if reset else None,
    }
    headers = {"content-type": "application/wasm", **_revision(expect)}
    content = to_bytes(component, "a component")
    request = Request("PUT", with_query(API + _plugin_path(name), query), headers, content)
    form, answer = yield from core.json(request)
    return _read_plugin(form, answer)


def rollback_plugin(core: Core, name: str, version: int | None, expect: str | None) -> Steps[PluginInfo]:
    request = post(f"{_plugin_path(name)}/rollback", {"version": None if version is None else str(version)})
    request.headers.update(_revision(expect))
    form, answer = yield from core.json(request)
    return _read_plugin(form, answer)


def remove_plugin(core: Core, name: str, expect: str | None) -> Steps[None]:
    yield from core.send(Request("DELETE", API + _plugin_path(name), _revision(expect)))


def call_plugin(core: Core, name: str, function: str, arguments: Any) -> Steps[Called]:
    try:
        request = post(f"{_plugin_path(name)}/call/{segment(function, 'function')}", body=arguments)
    except (TypeError, ValueError, RecursionError) as cause:
        raise invalid("argument-invalid", f"JSON has no text for the arguments: {cause}") from cause
    form, answer = yield from core.json(request)
    written = to_written(answer)
    return Called(written.version, written.durable, form)


def _plugin_path(name: str) -> str:
    return f"/plugins/{segment(name, 'plugin')}"


def _revision(expect: str | None) -> dict[str, str]:
    """`absent`, or a revision."""
    if expect is None:
        return {}
    if expect == "absent":
        return {"if-none-match": "*"}
    if not (isinstance(expect, str) and expect.isascii() and expect.isalnum()):
        raise invalid("argument-invalid", "an expectation is 'absent' or a plugin's revision")
    return {"if-match": f'"{expect}"'}


def _read_plugin(form: Any, answer: Answer) -> PluginInfo:
    with reading(answer):
        return _plugin(form)


def _plugin(form: dict[str, Any]) -> PluginInfo:
    revision, version = form.get("revision"), form.get("version")
    return PluginInfo(form["name"], form["state"], revision, version, form["functions"], form)


# Answers that are read in pieces.


def open_stream(core: Core, request: Request) -> Steps[Answer]:
    answer, error = yield from core.attempt(request, stream=True)
    if error is not None:
        raise error
    return answer


def read_stream(answer: Answer | None) -> Steps[bytes | None]:
    """The next bytes; None at the end."""
    if answer is None:
        raise invalid("argument-invalid", "a stream is read in its `with` block")
    piece: bytes | Lost | None = yield Read(answer.stream)
    if isinstance(piece, Lost):
        raise piece.error
    return piece


def close_stream(answer: Answer) -> Steps[None]:
    yield Close(answer.stream)
