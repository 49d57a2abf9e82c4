"""Checks of arguments, before anything is sent."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import quote

from .errors import MantisError, invalid
from .types import BytesLike, Expect, Isolation, Ttl

KEYS_MAX = 1_000
# Longer than any cursor.
_CURSOR_CHARACTERS_MAX = 16_384
_MEDIA_TYPE_BYTES_MAX = 255
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**63 - 1
_VERSION_MAX = 2**64 - 1
_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_CURSOR = re.compile(r"[A-Za-z0-9._-]+", re.ASCII)
_VISIBLE = re.compile(r"[\x20-\x7e]+")


def to_bytes(value: BytesLike, what: str = "a key or value") -> bytes:
    """The bytes of a text as UTF-8; bytes as they are."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        try:
            return value.encode()
        except UnicodeEncodeError:
            message = f"{what} has half of a surrogate pair, which is no character"
            raise invalid("argument-invalid", message) from None
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    raise invalid("argument-invalid", f"{what} is str or bytes, not {type(value).__name__}")


def to_key(key: BytesLike) -> bytes:
    encoded = to_bytes(key, "a key")
    if not encoded:
        raise invalid("key-empty", "A key has at least one byte.")
    return encoded


def to_integer(by: int) -> int:
    if not isinstance(by, int) or isinstance(by, bool):
        raise invalid("argument-invalid", "a number to add is an int")
    if not _INTEGER_MIN <= by <= _INTEGER_MAX:
        raise invalid("argument-invalid", "a number to add has 64 bits")
    return by


def to_expect(expect: Expect) -> Expect:
    if isinstance(expect, int) and not isinstance(expect, bool):
        if 0 <= expect <= _VERSION_MAX:
            return expect
    elif expect in ("anything", "absent", "present"):
        return expect
    raise invalid("argument-invalid", "an expectation is 'anything', 'absent', 'present' or a version")


def to_ttl_ms(ttl: Ttl | None) -> int | None:
    if ttl is None:
        return None
    try:
        ms = ttl // timedelta(milliseconds=1) if isinstance(ttl, timedelta) else round(ttl * 1_000)
    except (OverflowError, TypeError, ValueError):
        ms = 0
    # The server knows the longest.
    if ms >= 1:
        return ms
    raise invalid("ttl-invalid", "A time to live is at least 1 ms and at most 100 years.")


def to_media_type(media_type: str) -> str:
    if isinstance(media_type, str) and len(media_type) <= _MEDIA_TYPE_BYTES_MAX and _VISIBLE.fullmatch(media_type):
        return media_type
    raise invalid("media-type-invalid", "A media type has 1 to 255 characters of visible ASCII and spaces.")


def to_bucket(name: str) -> str:
    """A bucket's name becomes part of paths: an invalid one must not lead to another path."""
    if isinstance(name, str) and _BUCKET.fullmatch(name):
        return name
    raise invalid(
        "bucket-name-invalid",
        "A bucket's name has 1 to 63 characters of a-z, 0-9, '-', '_' and '.', and begins with a letter or digit.",
    )


def to_cursor(cursor: str) -> str:
    if isinstance(cursor, str) and len(cursor) <= _CURSOR_CHARACTERS_MAX and _CURSOR.fullmatch(cursor):
        return cursor
    raise invalid("cursor-invalid", "The cursor was not made by this scan or feed.")


def to_limit(limit: int) -> int:
    if isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1:
        return limit
    raise invalid("limit-out-of-range", f"the limit is {limit}; it must be 1 to 1000")


def to_isolation(isolation: Isolation) -> str:
    if isolation in ("serializable", "snapshot"):
        return isolation
    raise invalid("argument-invalid", "an isolation is 'serializable' or 'snapshot'")


def to_ends(prefix: BytesLike | None, start: BytesLike | None, end: BytesLike | None) -> dict[str, bytes]:
    """The ends of a span, by the names that they have in queries and in batches."""
    if prefix is not None and (start is not None or end is not None):
        raise invalid("argument-invalid", "a span has a prefix, or a start and an end, not both")
    ends = {"prefix": prefix, "start": start, "end": end}
    return {name: to_bytes(value, f"a span's {name}") for name, value in ends.items() if value is not None}


def segment(name: str, what: str) -> str:
    """A name in a path. One of only dots would be a step in it, which is nobody's name."""
    if not isinstance(name, str) or name in ("", ".", ".."):
        raise invalid("argument-invalid", f"{name!r} is no name of a {what}")
    return quote(to_bytes(name, f"the name of a {what}"), safe="")


def too_many_keys(count: int) -> MantisError:
    return MantisError("keys-too-many", f"{count} keys were asked for; the limit is {KEYS_MAX}")
