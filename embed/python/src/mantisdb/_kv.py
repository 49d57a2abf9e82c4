"""The calls on one bucket, as steps."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ._arguments import (
    KEYS_MAX,
    to_bucket,
    to_bytes,
    to_cursor,
    to_ends,
    to_expect,
    to_integer,
    to_key,
    to_limit,
    to_media_type,
    to_ttl_ms,
    too_many_keys,
)
from ._core import API, Core, get, post
from ._forms import KEY_OPERATIONS, from_json_bytes, from_json_entry, key_form, key_result
from ._steps import Answer, Request, Steps, encoded, foreign, reading, to_written, with_query
from .errors import MantisError, invalid
from .operations import Check, Delete, DeleteSpan, Get, Increment, KeyOperation, Set
from .types import (
    Applied,
    BytesLike,
    Counted,
    Deleted,
    DeletedKeys,
    Each,
    Entry,
    Expect,
    KeyPage,
    Outcome,
    Page,
    Refusal,
    Refused,
    Rejected,
    Ttl,
    Written,
)

MEDIA_TYPE = "application/octet-stream"
_JSON_TYPE = "application/json"
# The tag of a value. A transaction's own writes have none.
_TAG = re.compile(r'(W/)?"v\d')
# Keys of a page that is only counted or deleted.
_PAGE_KEYS = 1_000
# A longer path is refused as one. In a batch the server says of the key what is wrong with it.
_KEY_PATH_BYTES_MAX = 12_000


class TransactionState:
    """The transaction that requests belong to, if there is one."""

    __slots__ = ("id",)

    def __init__(self, transaction_id: str | None) -> None:
        self.id = transaction_id

    def open(self) -> str:
        if self.id is None:
            raise invalid("transaction-not-open", "The session has no transaction open, or it has ended.")
        return self.id


@dataclass(frozen=True, slots=True)
class Span:
    """A scan's place: which keys, from which end, how many in a page."""

    prefix: BytesLike | None = None
    start: BytesLike | None = None
    end: BytesLike | None = None
    reverse: bool = False
    limit: int = 100
    cursor: str | None = None


class KvCore:
    """One bucket."""

    __slots__ = ("_core", "_transaction", "bucket")

    def __init__(self, core: Core, bucket: str, transaction: TransactionState | None) -> None:
        self.bucket = bucket
        self._core = core
        self._transaction = transaction

    def _path(self) -> str:
        return "/kv" if self.bucket == "default" else f"/buckets/{to_bucket(self.bucket)}/kv"

    def _path_of(self, key: bytes) -> str | None:
        """The path of a key; None for one that a path cannot carry: `.` and `..` are steps in it, encoded or not."""
        if key in (b".", b".."):
            return None
        path = f"{self._path()}/{encoded(key)}"
        return path if len(path) <= _KEY_PATH_BYTES_MAX else None

    def _within(self, request: Request) -> Request:
        """The request with the header of its transaction, if there is one."""
        if self._transaction is not None:
            request.headers["mantisdb-transaction"] = self._transaction.open()
        return request

    def get(self, key: BytesLike) -> Steps[bytes | None]:
        path = self._path_of(to_key(key))
        if path is None:
            entry = yield from self.get_entry(key)
            return None if entry is None else entry.value
        answer, error = yield from self._core.attempt(self._within(get(path, {"raw": "true"})))
        if error is None:
            if self._transaction is None and not _TAG.match(answer.headers.get("etag", "")):
                raise foreign(answer)
            return answer.body
        if error.code == "key-not-found":
            return None
        raise error

    def value_request(self, key: BytesLike) -> Request:
        """The request for a value that is read piece by piece."""
        path = self._path_of(to_key(key))
        if path is None:
            raise invalid("argument-invalid", "the values of '.', '..' and very long keys are read whole: use get()")
        return self._within(get(path, {"raw": "true"}))

    def opened(self, request: Request) -> Steps[Answer]:
        answer, error = yield from self._core.attempt(request, stream=True)
        if error is not None:
            raise error
        return answer

    def get_entry(self, key: BytesLike) -> Steps[Entry | None]:
        applied = yield from self.apply([Get(key)])
        return applied.results[0].entry if isinstance(applied, Applied) else None

    def get_many(self, keys: Sequence[BytesLike]) -> Steps[list[bytes | None]]:
        if isinstance(keys, (str, bytes, bytearray, memoryview)):
            raise invalid("argument-invalid", "keys are a list")
        keys = list(keys)
        if len(keys) > KEYS_MAX:
            raise too_many_keys(len(keys))
        forms = [key_form(Get(key)) for key in keys]
        request = self._within(post(self._path(), body={"atomic": True, "operations": forms}, safe=True))
        form, answer = yield from self._core.json(request)
        with reading(answer):
            values = [result["value"] for result in form["results"]]
            return [None if value is None else from_json_bytes(value) for value in values]

    def set(self, key: BytesLike, value: BytesLike, media_type: str | None, ttl: Ttl | None) -> Steps[Written]:
        outcome = yield from self.set_with(key, value, media_type, ttl, "anything")
        if isinstance(outcome, Written):
            return outcome
        raise _refused_without_condition()

    def set_with(
        self, key: BytesLike, value: BytesLike, media_type: str | None, ttl: Ttl | None, expect: Expect
    ) -> Steps[Outcome]:
        path = self._path_of(to_key(key))
        if path is None:
            return (yield from self._write(Set(key, value, media_type, ttl, expect)))
        ttl_ms = to_ttl_ms(ttl)
        query = {"raw": "true", "ttl_ms": None if ttl_ms is None else str(ttl_ms)}
        headers = {"content-type": MEDIA_TYPE if media_type is None else to_media_type(media_type)}
        headers.update(_headers(expect))
        request = Request("PUT", with_query(API + path, query), headers, to_bytes(value))
        answer, error = yield from self._core.attempt(self._within(request))
        if error is None:
            if self._transaction is None and "mantisdb-version" not in answer.headers:
                raise foreign(answer, outcome_unknown=True)
            return to_written(answer)
        if error.code == "precondition-failed":
            return Refused((yield from self.get_entry(key)))
        raise error

    def set_json(self, key: BytesLike, value: Any, ttl: Ttl | None, expect: Expect) -> Steps[Outcome]:
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as cause:
            raise invalid("argument-invalid", f"JSON has no text for the value: {cause}") from cause
        return (yield from self.set_with(key, text, _JSON_TYPE, ttl, expect))

    def get_json(self, key: BytesLike) -> Steps[Any]:
        value = yield from self.get(key)
        if value is None:
            return None
        try:
            return json.loads(value.decode())
        except (ValueError, RecursionError) as cause:
            message = "the value is not a JSON document"
            raise MantisError("not-json", message, kind="constraint") from cause

    def delete(self, key: BytesLike) -> Steps[Deleted]:
        path = self._path_of(to_key(key))
        if path is None:
            deleted = yield from self._delete(Delete(key))
            return Deleted(deleted.version, deleted.durable, deleted.keys > 0)
        # A missing key is an error there, whose answer also has a version.
        answer, error = yield from self._core.attempt(self._within(Request("DELETE", API + path)))
        if error is not None and error.code != "key-not-found":
            raise error
        written = to_written(answer)
        return Deleted(written.version, written.durable, error is None)

    def delete_if(self, key: BytesLike, expect: Expect) -> Steps[Outcome]:
        return (yield from self._write(Delete(key, expect)))

    def cas(self, key: BytesLike, value: BytesLike, version: int | None, media_type: str | None) -> Steps[Outcome]:
        return (yield from self.set_with(key, value, media_type, None, "absent" if version is None else version))

    def increment(self, key: BytesLike, by: int) -> Steps[Counted]:
        applied = yield from self.apply([Increment(key, to_integer(by))])
        number = applied.results[0].number if isinstance(applied, Applied) else None
        if not isinstance(applied, Applied) or number is None:
            raise _refused_without_condition()
        return Counted(applied.version, applied.durable, number)

    def scan(self, span: Span) -> Steps[Page]:
        form, answer = yield from self._core.json(self._listing(span, {"values": "true", "details": "true"}))
        with reading(answer):
            return Page([from_json_entry(entry) for entry in form["entries"]], form["cursor"])

    def scan_keys(self, span: Span) -> Steps[KeyPage]:
        form, answer = yield from self._core.json(self._listing(span, {}))
        with reading(answer):
            return KeyPage([from_json_bytes(key) for key in form["keys"]], form["cursor"])

    def _listing(self, span: Span, shown: dict[str, str]) -> Request:
        query: dict[str, str | bytes | None] = {
            **to_ends(span.prefix, span.start, span.end),
            "reverse": "true" if span.reverse else None,
            "limit": str(to_limit(span.limit)),
            "cursor": None if span.cursor is None else to_cursor(span.cursor),
            **shown,
        }
        return self._within(get(self._path(), query))

    def count(self, span: Span) -> Steps[int]:
        """Over HTTP the count transfers all keys."""
        count = 0
        span = replace(span, limit=_PAGE_KEYS)
        while True:
            page = yield from self.scan_keys(span)
            count += len(page.keys)
            if page.cursor is None:
                return count
            span = replace(span, cursor=page.cursor)

    def delete_span(
        self, prefix: BytesLike | None, start: BytesLike | None, end: BytesLike | None
    ) -> Steps[DeletedKeys]:
        ends = to_ends(prefix, start, end)
        if "start" in ends or "end" in ends:
            return (yield from self._delete_between(ends.get("start"), ends.get("end")))
        query = {"prefix": ends["prefix"]} if ends.get("prefix") else {"all": "true"}
        request = Request("DELETE", with_query(API + self._path(), query))
        form, answer = yield from self._core.json(self._within(request))
        written = to_written(answer)
        with reading(answer):
            return DeletedKeys(written.version, written.durable, int(form["deleted"]))

    def _delete_between(self, start: bytes | None, end: bytes | None) -> Steps[DeletedKeys]:
        """Deletes page by page, so that other writers do not wait; in a transaction that makes no difference."""
        done: DeletedKeys | None = None
        while True:
            page = yield from self.scan_keys(Span(start=start, end=end, limit=_PAGE_KEYS))
            if not page.keys:
                # A deletion of nothing is sent too: its answer has the newest version.
                return done or (yield from self._delete(DeleteSpan(start=start, end=end)))
            after = page.keys[-1] + b"\0"
            these = yield from self._delete(DeleteSpan(start=start, end=after))
            done = replace(these, keys=these.keys + (done.keys if done else 0))
            if page.cursor is None:
                return done
            start = after

    def apply(self, operations: Sequence[KeyOperation]) -> Steps[Applied | Rejected]:
        operations = list(operations)
        request = self._batch(operations, atomic=True)
        answer, error = yield from self._core.attempt(request)
        if error is not None:
            if error.code != "check-failed":
                raise error
            with reading(answer):
                named = [int(form["index"]) for form in error.problem["operations"]]
                refused = [(index, operations[index]) for index in named]
            return Rejected((yield from self._look(refused)))
        written = to_written(answer)
        with reading(answer):
            forms = json.loads(answer.body)["results"]
            pairs = zip(operations, forms, strict=True)
            results = [key_result(operation, form) for operation, form in pairs]
        return Applied(written.version, written.durable, results)

    def apply_each(self, operations: Sequence[KeyOperation]) -> Steps[list[Each]]:
        operations = list(operations)
        form, answer = yield from self._core.json(self._batch(operations, atomic=False))
        with reading(answer):
            return [_each(*pair) for pair in zip(operations, form["results"], strict=True)]

    def _batch(self, operations: Sequence[KeyOperation], *, atomic: bool) -> Request:
        for operation in operations:
            if not isinstance(operation, KEY_OPERATIONS):
                raise invalid("argument-invalid", f"{operation!r} is no operation on keys")
            if operation.bucket not in (None, self.bucket):
                raise invalid("argument-invalid", f"the bucket is {self.bucket}: Client.batch takes several")
        body = {"atomic": atomic, "operations": [key_form(operation) for operation in operations]}
        only_reads = all(isinstance(operation, (Get, Check)) for operation in operations)
        query = {"details": "true", "numbers": "string"}
        return self._within(post(self._path(), query, body=body, safe=only_reads))

    def _look(self, refused: list[tuple[int, KeyOperation]]) -> Steps[list[Refusal]]:
        """The entries of keys whose conditions did not hold: read afterwards, so possibly newer."""
        keys = [operation.key for _, operation in refused if not isinstance(operation, DeleteSpan)]
        applied = yield from self.apply([Get(key) for key in keys])
        entries = [result.entry for result in applied.results] if isinstance(applied, Applied) else []
        pairs = zip((index for index, _ in refused), entries, strict=True)
        return [Refusal(index, entry, None if entry is None else entry.version) for index, entry in pairs]

    def _write(self, operation: Set | Delete) -> Steps[Outcome]:
        to_expect(operation.expect)
        applied = yield from self.apply([operation])
        if isinstance(applied, Applied):
            return Written(applied.version, applied.durable)
        return Refused(applied.refusals[0].current)

    def _delete(self, operation: Delete | DeleteSpan) -> Steps[DeletedKeys]:
        """Deletes unconditionally."""
        applied = yield from self.apply([operation])
        if not isinstance(applied, Applied):
            raise _refused_without_condition()
        return DeletedKeys(applied.version, applied.durable, applied.results[0].deleted or 0)


def _each(operation: KeyOperation, form: dict[str, Any]) -> Each:
    version = None if form["version"] is None else int(form["version"])
    if form["success"]:
        return Each(key_result(operation, form), version, None)
    error = form["error"]
    return Each(None, version, MantisError(error["code"], error["message"]))


def _headers(expect: Expect) -> dict[str, str]:
    """The headers of a conditional request."""
    expect = to_expect(expect)
    if isinstance(expect, int):
        return {"if-match": f'"v{expect}"'}
    headers: dict[Literal["anything", "absent", "present"], dict[str, str]] = {
        "anything": {},
        "absent": {"if-none-match": "*"},
        "present": {"if-match": "*"},
    }
    return headers[expect]


def _refused_without_condition() -> MantisError:
    return MantisError("conflict", "a write without a condition was refused")
