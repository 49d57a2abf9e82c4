"""The operations of batches: on keys, and on rows of tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from .types import BytesLike, Expect, Ttl

__all__ = [
    "Check",
    "CheckRows",
    "Delete",
    "DeleteRows",
    "DeleteSpan",
    "Get",
    "Increment",
    "InsertRows",
    "KeyOperation",
    "Made",
    "Operation",
    "RowOperation",
    "SelectRows",
    "Set",
    "UpdateRows",
]

# `bucket` is for `Client.batch`; `Kv.apply` has a bucket of its own.


@dataclass(frozen=True, slots=True)
class Get:
    """Reads a key."""

    key: BytesLike
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Set:
    """Writes a key."""

    key: BytesLike
    value: BytesLike
    media_type: str | None = None
    ttl: Ttl | None = None
    expect: Expect = "anything"
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Delete:
    """Deletes a key."""

    key: BytesLike
    expect: Expect = "anything"
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteSpan:
    """Deletes keys that begin with `prefix`, or from `start` to `end` (exclusive); all keys without any of them."""

    prefix: BytesLike | None = None
    start: BytesLike | None = None
    end: BytesLike | None = None
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Increment:
    """Adds to a decimal number stored as text; a missing key counts as 0."""

    key: BytesLike
    by: int = 1
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Check:
    """Writes nothing; the batch is refused unless its condition holds."""

    key: BytesLike
    expect: Expect
    bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A column of the primary key of the one row that an earlier operation of the batch has written."""

    operation: int
    """Its index in the batch, from 0."""
    column: str


# How many rows the filter must select: a number, or the least and the most of them, None for no end.
Matches: TypeAlias = int | tuple[int | None, int | None]
# Values for `$1`, `$2`, .. in a filter: at most 100.
Arguments: TypeAlias = Sequence[Any]


@dataclass(frozen=True, slots=True)
class SelectRows:
    """Reads the rows of a table that a filter selects, such as `name=eq.$1&total=gt.$2`."""

    table: str
    filter: str | None = None
    arguments: Arguments = ()
    select: str | None = None
    order: str | None = None
    limit: int | None = None
    offset: int | None = None
    matches: Matches | None = None


@dataclass(frozen=True, slots=True)
class InsertRows:
    """Inserts rows. What a row does not name is the column's default."""

    table: str
    rows: Mapping[str, Any] | Sequence[Mapping[str, Any]]
    made: Mapping[str, Made] | None = None
    """Columns of all rows with values that earlier operations make (`from` in the reference)."""
    on_duplicate: str | None = None
    """`merge` or `ignore`: what becomes of rows that are there already. Without it they are an error."""
    on_conflict: Sequence[str] = ()
    """The columns of the unique key on which rows may meet; the primary key by default."""
    select: str | None = None


@dataclass(frozen=True, slots=True)
class UpdateRows:
    """Updates the rows that a filter selects."""

    table: str
    set: Mapping[str, Any]
    filter: str | None = None
    arguments: Arguments = ()
    made: Mapping[str, Made] | None = None
    matches: Matches | None = None
    if_version: int | None = None
    """The version that each row must have; there must be one at least."""
    select: str | None = None


@dataclass(frozen=True, slots=True)
class DeleteRows:
    """Deletes the rows that a filter selects."""

    table: str
    filter: str | None = None
    arguments: Arguments = ()
    matches: Matches | None = None
    if_version: int | None = None
    select: str | None = None


@dataclass(frozen=True, slots=True)
class CheckRows:
    """Changes nothing; the batch is refused unless its conditions hold."""

    table: str
    filter: str | None = None
    arguments: Arguments = ()
    matches: Matches | None = None
    if_version: int | None = None


KeyOperation: TypeAlias = Get | Set | Delete | DeleteSpan | Increment | Check
RowOperation: TypeAlias = SelectRows | InsertRows | UpdateRows | DeleteRows | CheckRows
Operation: TypeAlias = KeyOperation | RowOperation
