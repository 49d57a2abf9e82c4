"""What goes wrong: one exception, whose `code` is stable."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["MantisError"]

_KINDS = {
    "bucket-not-found": "not-found",
    "access-denied": "access-denied",
    "key-empty": "invalid",
    "key-too-long": "limit",
    "value-too-large": "limit",
    "bucket-name-invalid": "invalid",
    "buckets-too-many": "limit",
    "bucket-reserved": "invalid",
    "media-type-invalid": "invalid",
    "ttl-invalid": "invalid",
    "limit-out-of-range": "invalid",
    "cursor-invalid": "invalid",
    "keys-too-many": "limit",
    "answer-too-large": "limit",
    "operations-too-many": "limit",
    "transaction-too-large": "limit",
    "transaction-open": "invalid",
    "transaction-not-open": "invalid",
    "transaction-too-old": "conflict",
    "conflict": "conflict",
    "not-an-integer": "constraint",
    "integer-overflow": "constraint",
    "compacted": "compacted",
    "memory-full": "limit",
    "store-full": "limit",
    "disk-full": "limit",
    "storage-failed": "read-only",
    "read-only": "read-only",
    "precondition-failed": "constraint",
}

_KINDS_BY_STATUS = {
    400: "invalid",
    401: "access-denied",
    403: "access-denied",
    404: "not-found",
    413: "limit",
    414: "limit",
    415: "invalid",
    421: "access-denied",
    422: "invalid",
}

_TABLE_CODE = re.compile(r"PGRST\d{3}|[0-9A-Z]{5}")

_TABLE_KINDS = [
    (re.compile(pattern), kind)
    for pattern, kind in (
        ("23", "constraint"),
        ("40001", "conflict"),
        ("42501", "access-denied"),
        ("PGRST20[25]", "not-found"),
        ("53|54|57014", "limit"),
        ("57P01|58", "read-only"),
        ("PT412", "constraint"),
        ("XX", "other"),
    )
]


def kind_of(code: str, status: int | None) -> str:
    """The family of a code. Over HTTP an error has only its code."""
    if _TABLE_CODE.fullmatch(code):
        return next((kind for pattern, kind in _TABLE_KINDS if pattern.match(code)), "invalid")
    if code.startswith("plugin-") and code != "plugin-not-found":
        return "other"
    return _KINDS.get(code) or _KINDS_BY_STATUS.get(status or 0, "other")


class MantisError(Exception):
    """The failure of an operation.

    Codes are in the reference of error codes. The client adds `unreachable` (no answer), `timeout` (none in time),
    `pool-timeout` (no connection became free), `answer-invalid` (not an answer of MantisDB), `argument-invalid`,
    `not-json` and `closed`.
    """

    code: str
    """Stable, for programs: `conflict`, `key-too-long`; of tables a SQLSTATE or PostgREST's code: `23505`."""
    status: int | None
    """The HTTP status; None where there was no answer."""
    kind: str
    """The family, which says what to do: `not-found`, `access-denied`, `invalid`, `limit`, `constraint`, `conflict`,
    `compacted`, `read-only`, `other`."""
    message: str
    hint: str | None
    """Advice, where there is any."""
    request_id: str | None
    """The name of the request in the server's log."""
    retry_after: float | None
    """Seconds after which the server asks to be called again."""
    outcome_unknown: bool
    """Whether a write was sent and may have been done: read before writing again."""
    operation: int | None
    """The index of the operation of a batch that failed."""
    details: Any
    """Which value, row or constraint, where an error of tables says it."""
    value: Any
    """The error that a plugin returned, if `code` is `plugin-error`."""
    problem: dict[str, Any]
    """The whole answer; empty where there was none."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        kind: str | None = None,
        hint: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
        problem: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        problem = {} if problem is None else problem
        operation = problem.get("operation")
        self.code = code
        self.status = status
        self.kind = kind_of(code, status) if kind is None else kind
        self.message = message
        self.hint = hint
        self.request_id = request_id
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown
        self.operation = operation if isinstance(operation, int) else None
        self.details = problem.get("details")
        self.value = problem.get("error") if code == "plugin-error" else None
        self.problem = problem

    def __str__(self) -> str:
        told = f"{self.message} [{self.code}]"
        if self.outcome_unknown:
            told += " (whether it was done is unknown)"
        return told if self.hint is None else f"{told} {self.hint}"

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their arguments, of which this one has more than the message.
        return (_restored, (self.code, self.message, dict(self.__dict__)))


def _restored(code: str, message: str, members: dict[str, Any]) -> MantisError:
    error = MantisError(code, message)
    error.__dict__.update(members)
    return error


def invalid(code: str, message: str) -> MantisError:
    """The error of an argument."""
    return MantisError(code, message, kind="invalid")


def closed() -> MantisError:
    """The error of every call after `close()`."""
    return invalid("closed", "the client was closed")
