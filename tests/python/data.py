"""What the scenarios' data and the transcript have in forms of their own, and the Python client in others."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from mantisdb import (
    Applied,
    Change,
    Check,
    CheckRows,
    Delete,
    DeleteRows,
    DeleteSpan,
    Entry,
    Expect,
    Get,
    Increment,
    InsertRows,
    KeyOperation,
    Made,
    Operation,
    Refused,
    Rejected,
    Result,
    SelectRows,
    Set,
    TableChange,
    UpdateRows,
    Written,
)

# Longer values that repeat one character are told as that.
TOLD_BYTES_MAX = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ExactFloat(float):
    """A number with a fraction, and its digits as they came."""

    text: str

    def __new__(cls, text: str) -> ExactFloat:
        number = super().__new__(cls, text)
        number.text = text
        return number


def exact(value: Any) -> dict[str, str]:
    return {"exact": exact_text(value)}


def exact_text(value: Any) -> str:
    if isinstance(value, ExactFloat):
        return value.text
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{exact_text(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(exact_text, value)) + "]"
    return json.dumps(value)


# From the data to arguments.


def to_bytes(data: Any) -> str | bytes:
    """Text stays text, so that the client's own way with it is used."""
    if isinstance(data, str):
        return data
    if "repeat" in data:
        text, times = data["repeat"]
        return str(text) * int(times)
    return b64decode(data["base64"])


def to_optional(data: Any) -> str | bytes | None:
    return None if data is None else to_bytes(data)


def to_integer(number: Any) -> int:
    """Numbers that some readers of JSON would round come as `{"integer":"..."}`."""
    return int(number["integer"] if isinstance(number, dict) else number)


def to_expect(condition: Any) -> Expect:
    return to_integer(condition["version"]) if isinstance(condition, dict) else condition


def to_ttl(ttl_ms: Any) -> timedelta | float | None:
    if ttl_ms is None:
        return None
    ms = to_integer(ttl_ms)
    return timedelta(milliseconds=ms) if ms < 2**50 else ms / 1_000


def to_span(span: Any) -> dict[str, str | bytes | None]:
    if span == "all":
        return {}
    if "prefix" in span:
        return {"prefix": to_bytes(span["prefix"])}
    ends = span["between"]
    return {"start": to_optional(ends["start"]), "end": to_optional(ends["end"])}


def to_key_operation(form: Any, bucket: str | None = None) -> KeyOperation:
    match form["op"]:
        case "get":
            return Get(to_bytes(form["key"]), bucket)
        case "set":
            options = (form["media_type"], to_ttl(form["ttl_ms"]), to_expect(form["if"]))
            return Set(to_bytes(form["key"]), to_bytes(form["value"]), *options, bucket)
        case "increment":
            return Increment(to_bytes(form["key"]), to_integer(form["by"]), bucket)
        case "delete-span":
            return DeleteSpan(**to_span(form["span"]), bucket=bucket)
        case "delete":
            return Delete(to_bytes(form["key"]), to_expect(form["if"]), bucket)
        case "check":
            return Check(to_bytes(form["key"]), to_expect(form["if"]), bucket)
    raise AssertionError(f"there is no {form['op']}")


def to_cell(value: Any) -> Any:
    """A value of a row. A number with digits that JSON's readers change is one in a text."""
    if isinstance(value, list):
        return [to_cell(item) for item in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["number"]:
        return Decimal(value["number"])
    if list(value) == ["integer"]:
        return int(value["integer"])
    return to_row(value)


def to_row(values: Any) -> dict[str, Any]:
    return {column: to_cell(value) for column, value in values.items()}


def to_operation(form: Any) -> Operation:
    if form.get("table") is None:
        return to_key_operation(form, form["bucket"])
    table, select = form["table"], form["select"]
    made = {column: Made(one["operation"], one["column"]) for column, one in form["from"].items()}
    if form["op"] == "insert":
        duplicates = None if form["on_conflict"] == "fail" else form["on_conflict"]
        rows = [to_row(row) for row in form["rows"]]
        return InsertRows(table, rows, made, duplicates, form["conflict_columns"], select)
    filtered = (table, form["filter"] or None, [_argument(value) for value in form["arguments"]])
    matches = form["matches"]
    if isinstance(matches, dict):
        matches = (matches["min"], matches["max"])
    version = None if form["if_version"] is None else to_integer(form["if_version"])
    match form["op"]:
        case "select":
            return SelectRows(*filtered, select, form["order"] or None, form["limit"], form["offset"], matches)
        case "update":
            return UpdateRows(table, to_row(form["set"] or {}), *filtered[1:], made, matches, version, select)
        case "delete":
            return DeleteRows(*filtered, matches, version, select)
        case _:
            return CheckRows(*filtered, matches, version)


def _argument(value: Any) -> Any:
    if isinstance(value, list):
        return [_argument(item) for item in value]
    if isinstance(value, dict) and "operation" in value:
        return Made(value["operation"], value["column"])
    return value.get("number", value.get("integer")) if isinstance(value, dict) else value


def to_filters(text: str) -> list[tuple[str, str]]:
    """The parameters of a filter: parts between `&` outside of quotes."""
    parts, quoted = [""], False
    for character in text:
        quoted ^= character == '"'
        if character == "&" and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    pairs = (part.split("=", 1) for part in parts if part)
    return [(name, value) for name, value in pairs]


# From answers to the transcript.


def told_commit(name: str, written: Written) -> dict[str, Any]:
    """What was written. That it is not durable is usual, and left out."""
    return {name: written.version} | ({"durable": True} if written.durable else {})


def told_bytes(value: bytes | None) -> Any:
    if value is None:
        return None
    if len(value) > TOLD_BYTES_MAX and value[0] < 0x80 and value.count(value[:1]) == len(value):
        return {"repeat": [value[:1].decode(), len(value)]}
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def told_ms(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(milliseconds=1)


def told_entry(entry: Entry | None) -> Any:
    if entry is None:
        return None
    told: dict[str, Any] = {
        "value": told_bytes(entry.value),
        "version": entry.version,
        "modified_ms": told_ms(entry.modified_at),
    }
    if entry.media_type != "application/octet-stream":
        told["media_type"] = entry.media_type
    if entry.expires_at is not None:
        told["expires_at_ms"] = told_ms(entry.expires_at)
    return told


def told_current(entry: Entry | None) -> int | None:
    return None if entry is None else entry.version


def told_outcome(outcome: Written | Refused) -> dict[str, Any]:
    if isinstance(outcome, Refused):
        return {"refused": told_current(outcome.current)}
    return told_commit("written", outcome)


def told_applied(applied: Applied | Rejected) -> dict[str, Any]:
    if isinstance(applied, Rejected):
        return {"refused": [{"index": one.index, "current": told_current(one.current)} for one in applied.refusals]}
    return told_commit("applied", applied) | {"results": [told_result(result) for result in applied.results]}


def told_result(result: Result) -> Any:
    match result.op:
        case "get":
            entry = result.entry
            return {"value": None} if entry is None else {"value": told_bytes(entry.value), "version": entry.version}
        case "delete" | "delete-span":
            return {"deleted": result.deleted}
        case "increment":
            return {"number": result.number}
    return "done"


def told_batch(operations: list[Any], applied: Applied | Rejected) -> dict[str, Any]:
    if isinstance(applied, Rejected):
        refused = []
        for one in applied.refusals:
            told: dict[str, Any] = {"index": one.index}
            if one.matched is None:
                told["current"] = one.version
            else:
                told["matched"] = one.matched
                if one.has_version:
                    # What the batch's own transaction wrote has the version 0.
                    told["version"] = one.version or 0
            refused.append(told)
        return {"refused": refused}
    results = [told_row_result(*pair) for pair in zip(operations, applied.results, strict=True)]
    return told_commit("applied", applied) | {"results": results}


def told_row_result(operation: Any, result: Result) -> Any:
    if operation.get("table") is None or result.op == "check":
        return told_result(result)
    counts = {"inserted": result.inserted, "updated": result.updated, "deleted": result.deleted}
    told: dict[str, Any] = {name: count for name, count in counts.items() if count is not None}
    return told if result.rows is None else told | {"rows": exact(result.rows)}


def told_change(change: Change) -> dict[str, Any]:
    told: dict[str, Any] = {change.kind: told_bytes(change.key)}
    if change.bucket != "default":
        told["bucket"] = change.bucket
    if change.value is not None:
        told["value"] = told_bytes(change.value)
    told["version"] = change.version
    return told if change.previous_version is None else told | {"previous": change.previous_version}


def told_event(event: TableChange) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": event.kind,
        "table": event.table,
        "schema": event.schema_version,
        "version": event.version,
    }
    if event.previous_version is not None:
        told["previous"] = event.previous_version
    if event.kind in ("create", "alter", "drop"):
        columns = None if event.schema is None else [column["name"] for column in event.schema["columns"]]
        return told | {"columns": columns}
    for name, row in (("key", event.key), ("row", event.row), ("old", event.old)):
        told[name] = None if row is None else exact(row)
    return told | {"matches": [event.matches_old, event.matches_new]}
