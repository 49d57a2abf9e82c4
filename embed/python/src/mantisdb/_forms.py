"""Bytes, entries and operations in the API's JSON."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping
from typing import Any

from ._arguments import (
    to_bucket,
    to_bytes,
    to_ends,
    to_expect,
    to_integer,
    to_key,
    to_media_type,
    to_ttl_ms,
)
from ._steps import to_time
from .errors import invalid
from .operations import (
    Check,
    CheckRows,
    Delete,
    DeleteRows,
    DeleteSpan,
    Get,
    Increment,
    InsertRows,
    KeyOperation,
    Made,
    Matches,
    Operation,
    RowOperation,
    SelectRows,
    Set,
    UpdateRows,
)
from .types import Entry, Expect, Result

KEY_OPERATIONS = (Get, Set, Delete, DeleteSpan, Increment, Check)
ROW_OPERATIONS = (SelectRows, InsertRows, UpdateRows, DeleteRows, CheckRows)


def to_json_bytes(value: bytes) -> Any:
    """Text if the bytes are UTF-8, else base64."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def from_json_bytes(form: Any) -> bytes:
    return form.encode() if isinstance(form, str) else b64decode(form["base64"], validate=True)


def from_json_entry(form: dict[str, Any]) -> Entry:
    expires_at = form["expires_at"]
    return Entry(
        from_json_bytes(form["key"]),
        from_json_bytes(form["value"]),
        form["media_type"],
        int(form["version"] or 0),
        to_time(form["modified_at"]),
        None if expires_at is None else to_time(expires_at),
    )


def condition(expect: Expect) -> dict[str, Any]:
    expect = to_expect(expect)
    if isinstance(expect, int):
        return {"if_version": str(expect)}
    return {} if expect == "anything" else {"absent": expect == "absent"}


def key_form(operation: KeyOperation) -> dict[str, Any]:
    """An operation on keys, without its bucket."""
    match operation:
        case Get(key):
            return {"op": "get", "key": to_json_bytes(to_key(key))}
        case Set(key, value, media_type, ttl, expect):
            # Always in base64: a text would be stored under a media type of text.
            form: dict[str, Any] = {"op": "set", "key": to_json_bytes(to_key(key))}
            form["value"] = {"base64": b64encode(to_bytes(value)).decode()}
            if media_type is not None:
                form["media_type"] = to_media_type(media_type)
            if ttl is not None:
                form["ttl_ms"] = to_ttl_ms(ttl)
            return form | condition(expect)
        case Delete(key, expect):
            return {"op": "delete", "key": to_json_bytes(to_key(key))} | condition(expect)
        case Check(key, expect):
            return {"op": "check", "key": to_json_bytes(to_key(key))} | condition(expect)
        case Increment(key, by):
            return {"op": "increment", "key": to_json_bytes(to_key(key)), "by": to_integer(by)}
        case DeleteSpan(prefix, start, end):
            ends = to_ends(prefix, start, end)
            return {"op": "delete-span"} | {name: to_json_bytes(value) for name, value in ends.items()}
        case _:
            raise invalid("argument-invalid", f"{operation!r} is no operation on keys")


def key_result(operation: KeyOperation, form: dict[str, Any]) -> Result:
    match operation:
        case Get(key):
            if form["value"] is None:
                return Result("get")
            return Result("get", entry=from_json_entry({"key": to_json_bytes(to_key(key)), **form}))
        case Increment():
            return Result("increment", number=int(form["value"]))
        case Delete():
            return Result("delete", deleted=int(form.get("deleted") or 0))
        case DeleteSpan():
            return Result("delete-span", deleted=int(form.get("deleted") or 0))
        case Set():
            return Result("set")
        case _:
            return Result("check")


def operation_form(operation: Operation) -> dict[str, Any]:
    """An operation of a batch across buckets and tables."""
    if isinstance(operation, ROW_OPERATIONS):
        return row_form(operation)
    form = key_form(operation)
    if operation.bucket is not None:
        form["bucket"] = to_bucket(operation.bucket)
    return form


def row_form(operation: RowOperation) -> dict[str, Any]:
    match operation:
        case InsertRows():
            rows = operation.rows
            form: dict[str, Any] = {
                "op": "insert",
                "rows": dict(rows) if isinstance(rows, Mapping) else [dict(row) for row in rows],
                "from": _made(operation.made),
                "resolution": operation.on_duplicate and f"{operation.on_duplicate}-duplicates",
                "on_conflict": ",".join(_named(column) for column in operation.on_conflict) or None,
                "select": operation.select,
            }
        case SelectRows():
            form = _filtered("select", operation) | {
                "select": operation.select,
                "order": operation.order,
                "limit": operation.limit,
                "offset": operation.offset,
            }
        case UpdateRows():
            form = _filtered("update", operation) | {
                "set": dict(operation.set),
                "from": _made(operation.made),
                "if_version": _version(operation.if_version),
                "select": operation.select,
            }
        case DeleteRows():
            form = _filtered("delete", operation) | {
                "if_version": _version(operation.if_version),
                "select": operation.select,
            }
        case CheckRows():
            form = _filtered("check", operation) | {"if_version": _version(operation.if_version)}
    form["table"] = operation.table
    return {name: value for name, value in form.items() if value is not None}


def row_result(operation: RowOperation, form: dict[str, Any]) -> Result:
    op = row_form(operation)["op"]
    return Result(
        op,
        inserted=form.get("inserted"),
        updated=form.get("updated"),
        deleted=form.get("deleted"),
        rows=form.get("rows"),
    )


def _filtered(op: str, operation: SelectRows | UpdateRows | DeleteRows | CheckRows) -> dict[str, Any]:
    arguments = [_argument(value) for value in operation.arguments]
    return {
        "op": op,
        "filter": operation.filter,
        "arguments": arguments or None,
        "matches": _matches(operation.matches),
    }


def _argument(value: Any) -> Any:
    """The text of an argument, a list of texts, null, or what an earlier operation makes."""
    if isinstance(value, Made):
        return {"operation": value.operation, "column": value.column}
    if isinstance(value, (list, tuple)):
        return [_argument(item) for item in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)


def _matches(matches: Matches | None) -> Any:
    if matches is None or isinstance(matches, int):
        return matches
    least, most = matches
    return {name: rows for name, rows in (("min", least), ("max", most)) if rows is not None}


def _version(version: int | None) -> str | None:
    return None if version is None else str(version)


def _made(made: Mapping[str, Made] | None) -> Any:
    return None if not made else {column: _argument(value) for column, value in made.items()}


def _named(column: str) -> str:
    """A column's name in a list of them."""
    quoted = column.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}"'
