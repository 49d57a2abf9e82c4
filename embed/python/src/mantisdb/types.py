"""What calls return, and what they take besides keys and values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypeAlias

from .errors import MantisError

BytesLike: TypeAlias = str | bytes | bytearray | memoryview
"""Bytes, or text, which is encoded as UTF-8."""

Expect: TypeAlias = Literal["anything", "absent", "present"] | int
"""A condition on a key, without which a write does not happen; a number is the version that it must have."""

Ttl: TypeAlias = float | timedelta
"""A time to live: seconds, or a timedelta; at least a millisecond and at most 100 years."""

Isolation: TypeAlias = Literal["serializable", "snapshot"]
"""`serializable`: a commit fails if what was read has changed; `snapshot`: only if what was written has."""

Json: TypeAlias = Any
"""What `json.loads` returns and `json.dumps` takes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key, its value and the value's metadata."""

    key: bytes
    value: bytes
    media_type: str
    """`application/octet-stream` unless set by the writer."""
    version: int
    """The commit that last wrote the key; compare it for equality. 0 is a write of the open transaction."""
    modified_at: datetime
    """The time of that commit, in UTC, to the millisecond."""
    expires_at: datetime | None
    """The time from which the value is no longer returned; None if it does not expire."""


@dataclass(frozen=True, slots=True)
class Written:
    """The outcome of a write. True as a condition, where `Refused` is false."""

    version: int
    """The commit, the last of several, or the newest one if nothing was written. 0 in an open transaction."""
    durable: bool
    """Whether the write is certain to survive a power cut. False in an open transaction."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A conditional write that was not done, as the condition did not hold. False as a condition."""

    current: Entry | None
    """The key's entry, read afterwards."""

    def __bool__(self) -> bool:
        return False


Outcome: TypeAlias = Written | Refused
"""The outcome of a conditional write. An unmet condition is no error."""


@dataclass(frozen=True, slots=True)
class Deleted(Written):
    """The outcome of an unconditional deletion."""

    existed: bool
    """Whether the key had a value."""


@dataclass(frozen=True, slots=True)
class DeletedKeys(Written):
    """The outcome of a deletion of several keys."""

    keys: int
    """The number of deleted keys."""


@dataclass(frozen=True, slots=True)
class Counted(Written):
    """The outcome of an increment."""

    number: int
    """The sum."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page of entries. It is also limited to 1 MiB, so it may be short: continue as long as there is a cursor."""

    entries: list[Entry]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class KeyPage:
    """A page of keys."""

    keys: list[bytes]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one operation of a batch. Members that its kind does not have are None."""

    op: str
    entry: Entry | None = None
    """Of `Get`; None where the key is missing."""
    number: int | None = None
    """Of `Increment`: the sum."""
    deleted: int | None = None
    """Of deletions: how many keys, or rows."""
    inserted: int | None = None
    updated: int | None = None
    rows: list[dict[str, Any]] | None = None
    """Of operations on rows that say `select`."""


@dataclass(frozen=True, slots=True)
class Applied(Written):
    """A batch that was done."""

    results: list[Result]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An operation whose condition did not hold."""

    index: int
    """Its index in the batch, from 0."""
    current: Entry | None = None
    """Of `Kv.apply`: the key's entry, read afterwards."""
    version: int | None = None
    """The version of the key, or of the first row with another one; None where it is missing, or not committed."""
    matched: int | None = None
    """How many rows the filter selects; None of keys."""
    has_version: bool = False
    """Whether `version` was asked for and found: with None it is one that is not committed yet, or a missing key."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A batch of which nothing was done: every operation whose condition did not hold. False as a condition."""

    refusals: list[Refusal]

    def __bool__(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Each:
    """The outcome of one operation of a batch whose operations are done by themselves."""

    result: Result | None
    """None where there is an error."""
    version: int | None
    """As the reference of HTTP says: of a write its commit."""
    error: MantisError | None
    """`precondition-failed` where the condition did not hold."""


@dataclass(frozen=True, slots=True)
class Change:
    """One key that a commit changed."""

    kind: Literal["put", "delete"]
    """`delete` if the key was deleted or has expired."""
    bucket: str
    key: bytes
    value: bytes | None
    media_type: str | None
    expires_at: datetime | None
    version: int
    previous_version: int | None
    """The commit that wrote the previous value; None if there was none."""
    time: datetime
    """The time of the commit."""
    cursor: str
    """The place after this change, for `since`."""


@dataclass(frozen=True, slots=True)
class TableChange:
    """One row, or the definition of a table, that a commit changed."""

    kind: Literal["insert", "update", "delete", "create", "alter", "drop"]
    table: str
    schema_version: int
    version: int
    previous_version: int | None
    time: datetime
    cursor: str
    key: dict[str, Any] | None = None
    """The row's primary key."""
    row: dict[str, Any] | None = None
    old: dict[str, Any] | None = None
    matches_old: bool | None = None
    """Whether the row before the change is selected by the filters; None where there was none."""
    matches_new: bool | None = None
    schema: dict[str, Any] | None = None
    """The definition, of `create` and `alter`."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket's name and size."""

    name: str
    keys: int
    """Expired keys count until they are removed, within about a second."""
    bytes: int
    """Of keys and values, as stored."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the server takes writes."""

    healthy: bool
    time: datetime
    reason: str | None


@dataclass(frozen=True, slots=True)
class Called(Written):
    """The outcome of a plugin's function. `version` is its commit, or the newest one that it saw."""

    value: Json


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """A plugin that is installed."""

    name: str
    state: Literal["ready", "starting", "broken"]
    revision: str | None
    """Changes with every installation and rollback; None of a plugin that is not kept."""
    version: int | None
    functions: list[dict[str, Any]]
    document: dict[str, Any] = field(repr=False)
    """Everything that the server says: versions, grants, limits, statistics."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and for how long calls are repeated, where that is safe: reads, and writes that were refused unseen."""

    attempts_max: int = 10
    """The first included; 1 repeats nothing."""
    pause_seconds: float = 0.05
    """The longest pause after the first attempt; it doubles with each further one. `Retry-After` outranks it."""
    pause_seconds_max: float = 2.0
    elapsed_seconds_max: float = 30.0
    """A pause that would end later is not made: the error is raised at once."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The longest waits, in seconds."""

    connect: float = 5.0
    read: float = 65.0
    """For the next bytes of an answer. A server ends requests after 60 seconds by default."""
    write: float = 30.0
    pool: float = 10.0
    """For a free connection."""
    feed: float = 45.0
    """For a sign of life of the change feed, which a server gives every 15 seconds."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client takes at most."""

    connections_max: int = 100
    connections_idle_max: int = 20
    idle_seconds: float = 60.0
    """After which an idle connection is closed. Less than the server's 75, so that none is used as it closes."""
    answer_bytes_max: int = 256 * 1024 * 1024
    """Of an answer that is read whole. A longer one is given up with `answer-too-large`."""
    event_bytes_max: int = 128 * 1024 * 1024
    """Of one change in a feed."""
