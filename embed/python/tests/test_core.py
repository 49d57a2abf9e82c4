"""The core without a server: the requests that calls make, and what they make of answers."""

from __future__ import annotations

import inspect
import json
import pathlib
import pickle
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mantisdb
from mantisdb import (
    AsyncClient,
    Change,
    Client,
    Get,
    InsertRows,
    Limits,
    Made,
    MantisError,
    Retry,
    Set,
    Timeouts,
    UpdateRows,
    operations,
)
from mantisdb import _database as database
from mantisdb._changes import Feed
from mantisdb._core import Core
from mantisdb._kv import KvCore, Span, TransactionState
from mantisdb._steps import Answer, Close, Lost, Pause, Read, Request, Send, Steps, Work
from mantisdb.errors import kind_of

ROOT = pathlib.Path(__file__).resolve().parents[3]

Given = Answer | Lost | bytes | None | BaseException
KvSteps = Callable[[KvCore], Steps[Any]]


def core(reached: bool = True, **members: Any) -> Core:
    retry = members.pop("retry", Retry(elapsed_seconds_max=1_000))
    return Core(retry, Timeouts(), members.pop("limits", Limits()), reached=reached, **members)


def answered(status: int = 200, body: Any = None, **headers: str) -> Answer:
    headers = {"etag": '"v1"', "mantisdb_version": "1"} | headers if body != b"<html>" else headers
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, content)


def problem(status: int, code: str, **headers: str) -> Answer:
    return answered(status, {"code": code, "detail": f"it is {code}", "hint": "Go on."}, **headers)


def lost(sent: bool, code: str = "unreachable") -> Lost:
    return Lost(MantisError(code, "the line is cut"), sent)


def run(steps: Steps[Any], *given: Given) -> tuple[Any, list[Any]]:
    """Runs steps, whose requests get the next answer each. What they come to, and what they asked for."""
    asked: list[Any] = []
    rest = list(given)
    try:
        effect = next(steps)
        while True:
            asked.append(effect)
            if isinstance(effect, (Pause, Close)):
                effect = steps.send(None)
                continue
            answer = rest.pop(0)
            effect = steps.throw(answer) if isinstance(answer, BaseException) else steps.send(answer)
    except StopIteration as stop:
        return stop.value, asked
    except MantisError as error:
        return error, asked


def raised(ended: tuple[Any, list[Any]]) -> None:
    """Raises what steps came to."""
    raise ended[0]


def requests(asked: list[Any]) -> list[Request]:
    return [effect.request for effect in asked if isinstance(effect, Send)]


def pauses(asked: list[Any]) -> list[float]:
    return [effect.seconds for effect in asked if isinstance(effect, Pause)]


def kv(bucket: str = "default", **members: Any) -> KvCore:
    return KvCore(core(**members), bucket, None)


KEYS_IN_PATHS = [
    ("plain", "/api/v1/kv/plain"),
    ("a/b", "/api/v1/kv/a%2Fb"),
    ("a/../b", "/api/v1/kv/a%2F..%2Fb"),
    ("../..", "/api/v1/kv/..%2F.."),
    ("...", "/api/v1/kv/..."),
    ("%2e", "/api/v1/kv/%252e"),
    ("a b+c?d#e", "/api/v1/kv/a%20b%2Bc%3Fd%23e"),
    ("é", "/api/v1/kv/%C3%A9"),
    (b"\x00\xff", "/api/v1/kv/%00%FF"),
    (bytearray(b"x"), "/api/v1/kv/x"),
    (memoryview(b"x"), "/api/v1/kv/x"),
]


@pytest.mark.parametrize(("key", "path"), KEYS_IN_PATHS)
def test_a_key_stays_one_part_of_the_path(key: Any, path: str) -> None:
    value, asked = run(kv().get(key), answered(body=b"v"))
    assert value == b"v"
    assert [request.path for request in requests(asked)] == [f"{path}?raw=true"]


@pytest.mark.parametrize("key", [".", "..", "x" * 13_000])
def test_a_key_that_no_path_carries_goes_in_a_batch(key: str) -> None:
    found = answered(body={"results": [{"key": key, "success": True, "value": None, "version": None}]})
    value, asked = run(kv().get(key), found)
    assert value is None
    (request,) = requests(asked)
    assert (request.method, request.path.split("?")[0]) == ("POST", "/api/v1/kv")
    assert request.content is not None
    assert json.loads(request.content)["operations"] == [{"op": "get", "key": key}]


def resolved(path: str) -> str:
    """A path as a client or a proxy that follows the URL standard sends it."""
    path = re.split("[?#]", re.sub("[\t\n\r]", "", path).replace("\\", "/"))[0]
    given, parts = path.split("/")[1:], list[str]()
    for place, part in enumerate(given):
        step = part.lower().replace("%2e", ".")
        if step not in (".", ".."):
            parts.append(part)
            continue
        if step == "..":
            del parts[-1:]
        if place == len(given) - 1:
            parts.append("")
    return "/" + "/".join(parts)


PIECES = [".", "..", "/", "%2e", "%2E", "%", "a", "?", "#", "\\", "\t", "\n", "ä", "\0"]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=6).map("".join)


@settings(max_examples=500, deadline=None)
@given(TEXTS.filter(bool), st.sampled_from(["default", "words"]))
def test_every_key_reaches_itself_or_is_refused(key: str, bucket: str) -> None:
    assert resolved("/api/v1/kv/a/%2E%2E/.%2e/plugins/p?x") == "/api/v1/plugins/p"
    keys = "/api/v1/kv" if bucket == "default" else f"/api/v1/buckets/{bucket}/kv"
    entry = {"key": key, "success": True, "value": None, "version": None}
    calls: list[KvSteps] = [
        lambda kv: kv.get(key),
        lambda kv: kv.get_entry(key),
        lambda kv: kv.set(key, b"v", None, None),
        lambda kv: kv.delete(key),
        lambda kv: kv.increment(key, 1),
    ]
    for call in calls:
        ended, asked = run(call(kv(bucket)), answered(body={"results": [entry]}))
        assert requests(asked) or isinstance(ended, MantisError)
        for request in requests(asked):
            path = request.path.split("?")[0]
            assert resolved(request.path) == path
            if (request.method, path) == ("POST", keys):
                assert request.content is not None
                assert {operation["key"] for operation in json.loads(request.content)["operations"]} == {key}
                continue
            own = path.removeprefix(f"{keys}/").removesuffix("/increment" if request.method == "POST" else "")
            assert "/" not in own
            assert unquote(own) == key


@settings(max_examples=500, deadline=None)
@given(TEXTS)
def test_every_name_is_one_part_of_a_path_or_is_refused(name: str) -> None:
    calls: list[tuple[str, Callable[[], Steps[Any]]]] = [
        ("/api/v1/schema/tables/", lambda: database.drop_table(core(), name)),
        ("/api/v1/plugins/", lambda: database.remove_plugin(core(), name, None)),
        ("/api/v1/plugins/p/call/", lambda: database.call_plugin(core(), "p", name, [])),
    ]
    for parent, call in calls:
        _, asked = run(call(), answered(status=204))
        for request in requests(asked):
            path = request.path.split("?")[0]
            assert resolved(request.path) == path
            assert unquote(path.removeprefix(parent)) == name
            assert "/" not in path.removeprefix(parent)


WRONG = [
    ("key-empty", lambda kv: kv.get("")),
    ("key-empty", lambda kv: kv.apply([Get(b"")])),
    ("argument-invalid", lambda kv: kv.get(5)),
    ("argument-invalid", lambda kv: kv.get("\ud800")),
    ("argument-invalid", lambda kv: kv.set("k", None, None, None)),
    ("argument-invalid", lambda kv: kv.set_with("k", "v", None, None, "there")),
    ("argument-invalid", lambda kv: kv.set_with("k", "v", None, None, -1)),
    ("argument-invalid", lambda kv: kv.set_with("k", "v", None, None, True)),
    ("ttl-invalid", lambda kv: kv.set("k", "v", None, 0)),
    ("ttl-invalid", lambda kv: kv.set("k", "v", None, -1.5)),
    ("ttl-invalid", lambda kv: kv.set("k", "v", None, float("nan"))),
    ("ttl-invalid", lambda kv: kv.set("k", "v", None, float("inf"))),
    ("ttl-invalid", lambda kv: kv.set("k", "v", None, timedelta(microseconds=999))),
    ("media-type-invalid", lambda kv: kv.set("k", "v", "", None)),
    ("media-type-invalid", lambda kv: kv.set("k", "v", "text/plain\r\nx: y", None)),
    ("media-type-invalid", lambda kv: kv.set("k", "v", "x" * 256, None)),
    ("argument-invalid", lambda kv: kv.increment("k", 1.5)),
    ("argument-invalid", lambda kv: kv.increment("k", 2**63)),
    ("argument-invalid", lambda kv: kv.get_many("abc")),
    ("keys-too-many", lambda kv: kv.get_many(["k"] * 1_001)),
    ("argument-invalid", lambda kv: kv.delete_span("a", "b", None)),
    ("argument-invalid", lambda kv: kv.set_json("k", float("nan"), None, "anything")),
    ("argument-invalid", lambda kv: kv.set_json("k", {1, 2}, None, "anything")),
    ("argument-invalid", lambda kv: kv.apply([Get("k", bucket="other")])),
    ("argument-invalid", lambda kv: kv.apply(["get"])),
]


@pytest.mark.parametrize(("code", "call"), WRONG)
def test_a_wrong_argument_is_refused_before_anything_is_sent(code: str, call: KvSteps) -> None:
    error, asked = run(call(kv()))
    assert isinstance(error, MantisError)
    assert (error.code, asked) == (code, [])


@pytest.mark.parametrize("bucket", ["", "A", "a/b", "..", "-a", "a" * 64, "a\n"])
def test_a_bucket_s_name_leads_to_no_other_path(bucket: str) -> None:
    error, asked = run(kv(bucket).get("k"))
    assert (error.code, asked) == ("bucket-name-invalid", [])


@pytest.mark.parametrize("text", ["a\ud800", 5])
def test_a_feed_of_a_text_that_is_none_is_refused(text: Any) -> None:
    feeds: list[Callable[[], Any]] = [
        lambda: run(database.table_feed(core(), text, "now", []).ready()),
        lambda: run(database.table_feed(core(), "t", text, []).ready()),
        lambda: run(database.key_feed(core(), "now", None, text).ready()),
        lambda: raised(run(database.table_feed(core(), "t", "now", [("a", "\ud800")]).ready())),
    ]
    for follow in feeds:
        with pytest.raises(MantisError) as caught:
            follow()
        assert caught.value.kind == "invalid"


@pytest.mark.parametrize("name", ["", ".", "..", "a\ud800"])
def test_a_plugin_s_name_leads_to_no_other_path(name: str) -> None:
    error, asked = run(database.plugin_info(core(), name))
    assert (error.code, asked) == ("argument-invalid", [])


CONDITIONS = [
    ("anything", {}),
    ("absent", {"if-none-match": "*"}),
    ("present", {"if-match": "*"}),
    (7, {"if-match": '"v7"'}),
]


@pytest.mark.parametrize(("expect", "headers"), CONDITIONS)
def test_a_condition_is_sent(expect: Any, headers: dict[str, str]) -> None:
    written, asked = run(
        kv().set_with("k", "v", None, 1.5, expect), answered(204, mantisdb_version="9", mantisdb_durable="true")
    )
    assert written == mantisdb.Written(9, True)
    (request,) = requests(asked)
    assert request.path == "/api/v1/kv/k?raw=true&ttl_ms=1500"
    assert request.headers == {"content-type": "application/octet-stream", **headers}


def test_a_request_in_an_ended_transaction_is_not_sent_outside_of_it() -> None:
    state = TransactionState("id")
    within = KvCore(core(), "default", state)
    _, asked = run(within.get("k"), answered(body=b""))
    assert requests(asked)[0].headers["mantisdb-transaction"] == "id"
    state.id = None
    error, asked = run(within.get("k"))
    assert (error.code, asked) == ("transaction-not-open", [])


# Retries.

SET: KvSteps = lambda kv: kv.set("k", "v", None, None)  # noqa: E731
GET: KvSteps = lambda kv: kv.get("k")  # noqa: E731
READ_BATCH: KvSteps = lambda kv: kv.get_many(["k"])  # noqa: E731
WRITE_BATCH: KvSteps = lambda kv: kv.apply([Get("k"), Set("k", "v")])  # noqa: E731

REPEATED = [
    (SET, problem(503, "overloaded", retry_after="1")),
    (SET, problem(503, "memory-full", retry_after="1")),
    (SET, problem(503, "starting", retry_after="1")),
    (SET, answered(429, b"slow down", retry_after="1")),
    (SET, lost(sent=False)),
    (WRITE_BATCH, problem(503, "connections-too-many")),
    (GET, problem(503, "request-timeout")),
    (GET, problem(503, "shutting-down")),
    (GET, lost(sent=True)),
    (GET, lost(sent=True, code="timeout")),
    (GET, answered(502, b"<html>")),
    (READ_BATCH, lost(sent=True)),
]


@pytest.mark.parametrize(("call", "first"), REPEATED)
def test_what_is_safe_is_repeated(call: KvSteps, first: Given) -> None:
    body = {"results": [{"key": "k", "value": None, "version": None}] * (1 if call is READ_BATCH else 2)}
    value, asked = run(call(kv()), first, answered(body=body))
    assert not isinstance(value, MantisError)
    one, again = requests(asked)
    assert one is again
    assert len(pauses(asked)) == 1


NOT_REPEATED = [
    (SET, lost(sent=True), True),
    (SET, lost(sent=True, code="timeout"), True),
    (SET, problem(503, "request-timeout"), True),
    (SET, problem(503, "shutting-down"), True),
    (SET, problem(503, "storage-failed"), True),
    (SET, problem(500, "internal"), True),
    (SET, answered(502, b"<html>"), True),
    (WRITE_BATCH, lost(sent=True), True),
    (SET, problem(507, "disk-full"), False),
    (SET, problem(413, "value-too-large"), False),
    (SET, problem(409, "conflict"), False),
    (SET, lost(sent=False, code="pool-timeout"), False),
    (GET, problem(500, "internal"), False),
    (GET, problem(503, "storage-failed"), False),
]


@pytest.mark.parametrize(("call", "answer", "unknown"), NOT_REPEATED)
def test_what_may_have_been_done_is_not_repeated(call: KvSteps, answer: Given, unknown: bool) -> None:
    error, asked = run(call(kv()), answer)
    assert isinstance(error, MantisError)
    assert len(asked) == 1
    assert error.outcome_unknown is unknown
    assert ("unknown" in str(error)) is unknown


def test_an_address_that_never_answered_is_not_waited_for() -> None:
    error, asked = run(kv(reached=False).get("k"), lost(sent=False))
    assert (error.code, len(asked)) == ("unreachable", 1)


def test_retry_after_outranks_the_own_pause() -> None:
    _, asked = run(kv().get("k"), problem(503, "overloaded", retry_after="7"), answered(body=b""))
    assert pauses(asked) == [7.0]


def test_a_pause_beyond_the_longest_wait_is_not_made() -> None:
    retry = Retry(elapsed_seconds_max=5)
    error, asked = run(kv(retry=retry).get("k"), problem(503, "overloaded", retry_after="60"))
    assert (error.code, error.retry_after, len(asked)) == ("overloaded", 60.0, 1)


def test_health_is_asked_once() -> None:
    unhealthy = {"status": "unhealthy", "timestamp": "2026-01-31T12:00:00.125Z", "reason": "the disk is full"}
    health, asked = run(database.health(core()), answered(503, unhealthy, retry_after="1"))
    assert (health.healthy, health.reason, len(asked)) == (False, "the disk is full", 1)


def test_retries_end() -> None:
    retry = Retry(attempts_max=3, elapsed_seconds_max=1_000)
    refusals = [problem(503, "overloaded")] * 3
    error, asked = run(kv(retry=retry).set("k", "v", None, None), *refusals)
    assert (error.code, len(requests(asked)), error.outcome_unknown) == ("overloaded", 3, False)


def test_the_pauses_double_up_to_a_limit() -> None:
    retry = Retry(pause_seconds=1, pause_seconds_max=4, elapsed_seconds_max=1_000)
    _, asked = run(kv(retry=retry).get("k"), *[lost(sent=True)] * 5, answered(body=b""))
    for pause, longest in zip(pauses(asked), [1, 2, 4, 4, 4], strict=True):
        assert longest / 2 <= pause <= longest


def test_an_error_has_everything_that_its_answer_says() -> None:
    answer = answered(
        422, {"code": "23505", "message": "twice", "details": "Key", "operation": 3}, x_request_id="r1", retry_after="2"
    )
    error, _ = run(kv().get("k"), answer)
    told = (error.code, error.status, error.kind, error.message, error.details, error.operation, error.request_id)
    assert told == ("23505", 422, "constraint", "twice", "Key", 3, "r1")
    assert error.retry_after == 2.0
    again = pickle.loads(pickle.dumps(error))
    assert (again.code, again.request_id, again.operation, str(again)) == ("23505", "r1", 3, str(error))


NOT_OURS = [b"", b"<html>", b"[]", b"null", b'{"results":[{}]}', b'{"results":5}', b"[" * 100_000, b"\xff"]


@pytest.mark.parametrize("body", NOT_OURS)
def test_an_answer_of_something_else_is_an_error_that_says_so(body: bytes) -> None:
    calls = [kv().get_many(["k"]), kv().scan(Span()), kv().apply([Get("k")]), database.buckets(core())]
    for steps in calls:
        error, _ = run(steps, answered(body=body))
        assert isinstance(error, MantisError)
        assert error.code == "answer-invalid"


def test_another_server_s_page_is_no_value() -> None:
    for tag in ("", '"abc"', 'W/"5-xyz"', "v1"):
        error, _ = run(kv().get("k"), answered(200, b"<html>", etag=tag))
        assert (error.code, error.outcome_unknown) == ("answer-invalid", False)
    error, _ = run(kv().set("k", "v", None, None), answered(200, b"<html>"))
    assert (error.code, error.outcome_unknown) == ("answer-invalid", True)
    value, _ = run(KvCore(core(), "default", TransactionState("id")).get("k"), answered(200, b"own"))
    assert value == b"own"


def test_a_moved_address_is_an_error() -> None:
    error, _ = run(kv().get("k"), answered(302, b"", location="http://elsewhere"))
    assert (error.code, error.status) == ("http-302", 302)


# Transactions.

BEGUN = answered(201, {"id": "t1", "expires_at": ""})
COMMITTED = answered(body={"version": "5", "durable": True}, mantisdb_version="5", mantisdb_durable="true")


def transact(*given: Given) -> tuple[Any, list[Any]]:
    return run(database.transact(core(), len, "serializable"), *given)


def told(asked: list[Any]) -> list[str]:
    return [f"{request.method} {request.path.removeprefix('/api/v1/transactions')}" for request in requests(asked)]


BEGIN, COMMIT, ROLLBACK = "POST ?isolation=serializable", "POST /t1/commit", "DELETE /t1"


def test_a_conflict_runs_the_work_again_with_the_server_s_token() -> None:
    conflict = answered(409, {"code": "conflict", "detail": "", "retry_token": "tok"})
    done, asked = transact(BEGUN, 1, conflict, BEGUN, 2, COMMITTED)  # type: ignore[arg-type]
    assert done == 2
    assert told(asked) == [BEGIN, COMMIT, f"{BEGIN}&retry=tok", COMMIT]
    assert sum(isinstance(effect, Work) for effect in asked) == 2


def test_a_commit_that_may_have_happened_is_not_run_again() -> None:
    error, asked = transact(BEGUN, 1, lost(sent=True))  # type: ignore[arg-type]
    assert error.outcome_unknown
    assert told(asked) == [BEGIN, COMMIT]


def test_an_error_of_the_work_rolls_back_and_is_raised() -> None:
    for raised in (ValueError("no"), KeyboardInterrupt()):
        steps = database.transact(core(), len, "serializable")
        with pytest.raises(type(raised)):
            run(steps, BEGUN, raised, answered(204))
    error, asked = transact(BEGUN, MantisError("key-empty", "no"), lost(sent=True))
    assert (error.code, told(asked)) == ("key-empty", [BEGIN, ROLLBACK])


def test_conflicts_end() -> None:
    conflict = problem(409, "conflict")
    error, asked = transact(*[BEGUN, 1, conflict] * 8)  # type: ignore[arg-type]
    assert error.code == "conflict"
    assert told(asked).count(BEGIN) == 8


# Changes.


def line(number: int) -> bytes:
    change = {
        "kind": "put",
        "bucket": "default",
        "key": f"k{number}",
        "value": "é\n",
        "media_type": "text/plain",
        "version": str(number),
        "previous_version": None,
        "time": "2026-01-31T12:00:00.125Z",
        "expires_at": None,
        "cursor": f"c-{number}",
    }
    return json.dumps(change).encode() + b"\n"


def feed(since: str = "now", **members: Any) -> Feed[Change]:
    return database.key_feed(core(**members), since, None, None)


OPEN = Answer(200, {}, b"", "stream")


@given(st.lists(st.integers(0, 700), max_size=6), st.integers(1, 5))
def test_changes_are_the_same_wherever_the_pieces_end(cuts: list[int], count: int) -> None:
    text = b'{"cursor":"c-0"}\n' + b"".join(b"\n" + line(number) for number in range(1, count + 1))
    ends = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces: list[Given] = [OPEN, *(text[begin:end] for begin, end in pairwise(ends))]
    follower = feed()
    found: list[int] = []
    while len(found) < count:
        change, asked = run(follower.next(), *pieces)
        del pieces[: sum(isinstance(effect, (Send, Read)) for effect in asked)]
        found.append(change.version)
    assert found == list(range(1, count + 1))


FAILURES: list[Given] = [lost(sent=True), None, lost(sent=False), problem(503, "overloaded"), problem(503, "starting")]


@given(st.lists(st.one_of(st.integers(1, 400), st.sampled_from([0, -1, -2, -3, -4])), max_size=20), st.integers(1, 6))
def test_no_change_is_lost_or_shown_twice_whatever_becomes_of_connections(events: list[int], count: int) -> None:
    """An event is so many bytes of the feed, or one of the failures; after them everything arrives."""
    follower, found, rest = feed(), list[int](), b""
    script = iter([1_000, *events])
    steps = follower.next()
    asked: Any = next(steps)
    while len(found) < count:
        event = next(script, 1_000)
        answer: Any = None
        if isinstance(asked, Send):
            if event <= 0 and found:
                answer = FAILURES[-event] or lost(sent=True)
            else:
                since = re.search(r"since=(?:c-(\d+)|now)", asked.request.path)
                assert since is not None
                place = int(since[1] or 0)
                rest = b'{"cursor":"c-%d"}\n' % place + b"".join(line(number) for number in range(place + 1, count + 1))
                answer = OPEN
        elif isinstance(asked, Read):
            # Refusals are answers to requests; a stream is lost, or ends.
            answer = FAILURES[-event % 2] if event <= 0 and found else rest[: max(event, 1)]
            rest = rest[max(event, 1) :]
        try:
            asked = steps.send(answer)
        except StopIteration as stop:
            found.append(stop.value.version)
            steps = follower.next()
            if len(found) < count:
                asked = next(steps, None) or steps
            while asked is steps:
                # It had arrived with the one before.
                found.append(len(found) + 1)
                steps = follower.next()
                asked = next(steps, None) or steps
    assert found == list(range(1, count + 1))


def test_a_lost_feed_goes_on_after_the_last_change() -> None:
    follower = feed()
    change, _ = run(follower.next(), OPEN, b'{"cursor":"c-0"}\n' + line(1) + line(2)[:30])
    assert change.cursor == "c-1"
    again: list[Given] = [lost(sent=True), lost(sent=False), problem(503, "streams-too-many"), OPEN, line(2)]
    change, asked = run(follower.next(), *again)
    assert change.cursor == "c-2"
    assert {request.path for request in requests(asked)} == {"/api/v1/changes?values=true&since=c-1&progress=true"}


def test_a_feed_goes_on_from_where_nothing_was_to_show() -> None:
    follower = feed()
    run(follower.ready(), OPEN, b'{"cursor":"c-9"}\n')
    _, asked = run(follower.next(), None, OPEN, line(10))
    assert "since=c-9" in requests(asked)[0].path


FEED_ERRORS = [
    ("unreachable", [lost(sent=True)] * 10),
    ("unreachable", [OPEN, None]),
    ("compacted", [problem(410, "compacted")]),
    ("compacted", [OPEN, b'{"error":{"code":"compacted","message":"gone"}}\n']),
    ("answer-invalid", [OPEN, b"<html>\n"]),
    ("answer-invalid", [OPEN, b"{}\n"]),
    ("answer-too-large", [OPEN, b"x" * 600, b"x" * 600]),
]


@pytest.mark.parametrize(("code", "given_"), FEED_ERRORS)
def test_a_feed_that_cannot_go_on_says_why(code: str, given_: list[Given]) -> None:
    error, _ = run(feed(limits=Limits(event_bytes_max=1_000)).next(), *given_)
    assert (error.code, error.kind) == (code, kind_of(code, None))


def test_changes_before_an_error_are_shown_first() -> None:
    follower = feed()
    change, _ = run(follower.next(), OPEN, line(1) + b'{"error":{"code":"compacted","message":"gone"}}\n')
    assert change.version == 1
    error, _ = run(follower.next())
    assert error.code == "compacted"


# Batches across keys and rows.


def test_an_operation_on_rows_has_the_reference_s_members() -> None:
    made = {"order_id": Made(0, "id")}
    mixed: list[operations.Operation] = [
        InsertRows("lines", [{"price": Decimal("1.10")}], made, "merge", ["a,b", 'c"d'], "id"),
        UpdateRows("t", {"n": 1}, "id=eq.$1", [Made(0, "id"), True, None, [1, 2]], matches=(1, None), if_version=7),
        Set("k", b"\xff", bucket="b"),
    ]
    _, asked = run(database.batch(core(), mixed, None), answered(body={"results": [{}, {}, {}]}))
    (request,) = requests(asked)
    assert request.content is not None
    assert json.loads(request.content)["operations"] == [
        {
            "op": "insert",
            "table": "lines",
            "rows": [{"price": "1.10"}],
            "from": {"order_id": {"operation": 0, "column": "id"}},
            "resolution": "merge-duplicates",
            "on_conflict": '"a,b","c\\"d"',
            "select": "id",
        },
        {
            "op": "update",
            "table": "t",
            "filter": "id=eq.$1",
            "arguments": [{"operation": 0, "column": "id"}, "true", None, ["1", "2"]],
            "matches": {"min": 1},
            "set": {"n": 1},
            "if_version": "7",
        },
        {"op": "set", "key": "k", "value": {"base64": "/w=="}, "bucket": "b"},
    ]


@pytest.mark.parametrize("row", [{"a": object()}, {"a": {1}}])
def test_a_row_that_json_has_no_form_for_is_refused(row: Any) -> None:
    error, asked = run(database.batch(core(), [InsertRows("t", row)], None))
    assert (error.code, asked) == ("argument-invalid", [])


# The package.


def test_every_code_of_the_database_has_its_kind() -> None:
    reference = (ROOT / "docs/reference/errors.md").read_text()
    database_codes = reference.split("## From HTTP")[0]
    rows = re.findall(r"^\| `([a-z-]+)` \| ([a-z-]+) \| (\d+)", database_codes, re.MULTILINE)
    assert len(rows) > 20
    assert [(code, kind_of(code, int(status))) for code, _, status in rows] == [(code, kind) for code, kind, _ in rows]


NO_ADDRESSES = ["", "localhost:8080", "ftp://x", "http://", "http://a:b:c", "http://x?q", "http://[", 5]


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_that_is_none_is_refused(url: Any) -> None:
    with pytest.raises(MantisError) as caught:
        Client(url)
    assert caught.value.code == "argument-invalid"


PAIRS = [
    (getattr(mantisdb, name), getattr(mantisdb, f"Async{name}"))
    for name in ("Client", "Kv", "Transaction", "ChangeFeed", "Plugin", "Stream")
]
OTHER_NAMES = {"close": "aclose"}


@pytest.mark.parametrize(("threads", "tasks"), PAIRS)
def test_both_clients_have_the_same_methods(threads: type, tasks: type) -> None:
    def methods(kind: type) -> dict[str, Any]:
        return {name: member for name, member in vars(kind).items() if not name.startswith("_") and callable(member)}

    named = {OTHER_NAMES.get(name, name): member for name, member in methods(threads).items()}
    assert named.keys() == methods(tasks).keys()
    for name, member in methods(tasks).items():
        assert list(inspect.signature(named[name]).parameters) == list(inspect.signature(member).parameters), name
        assert member.__doc__ is not None, name


def test_every_public_name_is_listed() -> None:
    assert set(operations.__all__) <= set(mantisdb.__all__)
    assert all(hasattr(mantisdb, name) for name in mantisdb.__all__)


def test_a_closed_client_says_so() -> None:
    client = Client("http://127.0.0.1:1")
    client.close()
    client.close()
    for call in (client.health, lambda: client.kv().get("k"), lambda: client.changes().ready()):
        with pytest.raises(MantisError) as caught:
            call()
        assert caught.value.code == "closed"
    assert list(client.changes()) == []


def test_an_async_client_needs_no_loop_to_be_made() -> None:
    assert AsyncClient("http://127.0.0.1:1/base/").url == "http://127.0.0.1:1/base"
