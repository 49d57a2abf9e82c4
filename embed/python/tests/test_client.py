"""Both clients beside a server."""

from __future__ import annotations

import asyncio
import pathlib
import signal
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import anyio
import pytest
import trio

from conftest import ROOT, Server
from mantisdb import (
    Applied,
    AsyncClient,
    AsyncTransaction,
    Check,
    Client,
    Delete,
    Get,
    Increment,
    InsertRows,
    Limits,
    Made,
    MantisError,
    Refused,
    Rejected,
    Retry,
    SelectRows,
    Set,
    Timeouts,
    Transaction,
    Written,
)

COMPONENT = ROOT / "guest/target/components/leaderboard.wasm"
# Something that is waited for and does not come is lost after so long.
LOST_SECONDS = 30


def eventually(holds: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + LOST_SECONDS
    while not holds():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


KEYS = [".", "..", "...", "/", "//", "a/b", "../x", "x/..", "./", "%2E", "a b+c?d=e&f#g", "é", b"\x00", b"\xff/..\n"]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_written_read_and_deleted_as_it_is(db: Client, key: Any) -> None:
    kv = db.kv("keys.of-all_kinds")
    encoded = key.encode() if isinstance(key, str) else key
    assert kv.set(key, encoded)
    assert (kv.get(key), kv.get_many([key]), [entry.key for entry in kv.entries()]) == (encoded, [encoded], [encoded])
    assert isinstance(kv.set_with(key, "new", expect="absent"), Refused)
    assert kv.delete(key).existed
    assert kv.count() == 0


def test_a_value_has_what_it_was_written_with(db: Client) -> None:
    kv = db.kv()
    kv.set("k", "text", media_type="text/x-mine; charset=utf-8", ttl=timedelta(hours=1))
    entry = kv.get_entry("k")
    assert entry is not None
    assert entry.expires_at is not None
    assert entry.media_type == "text/x-mine; charset=utf-8"
    # The time to live begins when the write comes, and the commit follows.
    assert timedelta(minutes=59) < entry.expires_at - entry.modified_at <= timedelta(hours=1)


def test_a_swap_is_done_once(db: Client) -> None:
    kv = db.kv()
    first = kv.cas("k", "1", None)
    assert isinstance(first, Written)
    assert kv.cas("k", "2", first.version)
    refused = kv.cas("k", "3", first.version)
    assert isinstance(refused, Refused)
    assert refused.current is not None
    assert refused.current.value == b"2"
    assert not refused


DOCUMENTS = [None, True, 0, -1.5, "é\u2028", [], {}, {"value": "x", "ttl": 1}, {"value": [1]}, [{"a": None}], 2**70]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_comes_back_as_it_was(db: Client, document: Any) -> None:
    kv = db.kv()
    assert kv.set_json("d", document)
    entry = kv.get_entry("d")
    assert entry is not None
    assert (entry.media_type, kv.get_json("d")) == ("application/json", document)


@pytest.mark.parametrize("value", [b"", b"text", b"\xff", b"[" * 100_000])
def test_what_is_no_document_is_not_read_as_one(db: Client, value: bytes) -> None:
    db.kv().set("d", value)
    with pytest.raises(MantisError) as caught:
        db.kv().get_json("d")
    assert (caught.value.code, caught.value.kind) == ("not-json", "constraint")


def test_a_scan_goes_on_from_the_cursor_of_any_page(db: Client) -> None:
    kv = db.kv()
    kv.apply([Set(f"k{number:03}", str(number)) for number in range(25)])
    pages = list(kv.pages(prefix="k", limit=10))
    assert [len(page.entries) for page in pages] == [10, 10, 5]
    rest = list(kv.entries(prefix="k", limit=10, cursor=pages[0].cursor))
    assert [entry.value for entry in rest] == [str(number).encode() for number in range(10, 25)]
    backwards = [entry.key for entry in kv.entries(start="k001", end="k003", reverse=True, limit=1)]
    assert backwards == [b"k002", b"k001"]
    assert (kv.delete_span(start="k001", end="k003").keys, kv.delete_span(prefix="k").keys) == (2, 23)


def test_a_batch_is_all_or_nothing_or_each_by_itself(db: Client) -> None:
    kv = db.kv()
    kv.set("a", "1")
    rejected = kv.apply([Set("b", "2"), Check("a", "absent"), Delete("c", "present")])
    assert isinstance(rejected, Rejected)
    assert [refusal.index for refusal in rejected.refusals] == [1, 2]
    assert kv.get("b") is None
    each = kv.apply_each([Set("b", "2"), Delete("c", "present"), Increment("a", 4), Get("a")])
    assert [one.error and one.error.code for one in each] == [None, "precondition-failed", None, None]
    assert each[2].result is not None
    assert each[3].result is not None
    assert each[3].result.entry is not None
    assert (each[2].result.number, each[3].result.entry.value) == (5, b"5")


def test_a_large_value_is_read_in_pieces(db: Client) -> None:
    value = bytes(range(256)) * (16 * 4096)
    written = db.kv().set("large", value)
    with db.kv().stream("large") as stream:
        pieces = list(stream)
    assert b"".join(pieces) == value
    assert max(map(len, pieces)) <= 1 << 20
    assert (stream.size, stream.version) == (len(value), written.version)
    with pytest.raises(MantisError) as caught, db.kv().stream("missing"):
        pass
    assert caught.value.code == "key-not-found"


def test_an_answer_beyond_the_limit_is_given_up_and_the_client_goes_on(server: Server, db: Client) -> None:
    db.kv().set("large", b"x" * 100_000)
    with Client(server.url, limits=Limits(answer_bytes_max=10_000, connections_max=1)) as small:
        for call in (lambda: small.kv().get("large"), lambda: small.kv().scan()):
            with pytest.raises(MantisError) as caught:
                call()
            assert caught.value.code == "answer-too-large"
        small.kv().set("k", "v")
        assert small.kv().get("k") == b"v"


def test_what_ends_early_frees_its_connection(server: Server, db: Client) -> None:
    db.kv().set("large", bytes(4 << 20))
    with Client(server.url, limits=Limits(connections_max=1), timeouts=Timeouts(pool=0.05)) as client:
        for _ in range(3):
            with client.kv().stream("large") as stream:
                next(iter(stream))
                with pytest.raises(MantisError) as caught:
                    client.kv().get("k")
                assert caught.value.code == "pool-timeout"
            with pytest.raises(MantisError), client.kv().stream("missing"):
                pass
            with client.changes("earliest") as feed:
                next(feed)
            feed.close()
            with pytest.raises(MantisError):
                next(client.changes("ffffffffffffffff-1"))
            client.kv().set("k", "v")


def test_one_client_serves_more_threads_than_it_has_connections(server: Server, db: Client) -> None:
    def work(number: int) -> None:
        kv = client.kv()
        for count in range(30):
            kv.set(f"k{number}", str(count))
            assert kv.get(f"k{number}") == str(count).encode()

    with Client(server.url, limits=Limits(connections_max=3)) as client, ThreadPoolExecutor(16) as threads:
        for done in [threads.submit(work, number) for number in range(16)]:
            done.result(LOST_SECONDS)


def test_transactions_of_many_threads_lose_no_update(db: Client) -> None:
    def add(transaction: Transaction) -> None:
        kv = transaction.kv()
        kv.set("sum", str(int(kv.get("sum") or b"0") + 1))

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(db.transact, add) for _ in range(80)]:
            done.result()
    assert db.kv().get("sum") == b"80"


def test_transactions_of_many_tasks_lose_no_update(server: Server, db: Client) -> None:
    async def add(transaction: AsyncTransaction) -> None:
        kv = transaction.kv()
        await kv.set("sum", str(int(await kv.get("sum") or b"0") + 1))

    async def main() -> None:
        async with AsyncClient(server.url) as client:
            await asyncio.gather(*(client.transact(add) for _ in range(30)))

    asyncio.run(main())
    assert db.kv().get("sum") == b"30"


def test_a_client_that_is_closed_under_its_threads_says_so(server: Server, db: Client) -> None:
    db.kv().set("k", b"x" * 100_000)
    for _ in range(5):
        client = Client(server.url, limits=Limits(connections_max=3))

        def work(client: Client = client) -> str:
            try:
                with client.changes("earliest") as feed:
                    while True:
                        next(feed, None)
                        client.kv().get("k")
                        client.kv().set("own", "v")
            except MantisError as error:
                return error.code

        with ThreadPoolExecutor(3) as threads:
            working = [threads.submit(work) for _ in range(2)]
            time.sleep(0.05)
            client.close()
            assert {done.result(LOST_SECONDS) for done in working} <= {"closed", "unreachable"}


def test_a_client_that_is_closed_under_its_tasks_says_so(server: Server, db: Client) -> None:
    async def main() -> None:
        client = AsyncClient(server.url)

        async def work() -> None:
            try:
                while True:
                    await client.kv().get("k")
                    await client.kv().set("own", "v")
            except MantisError as error:
                codes.add(error.code)

        codes: set[str] = set()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(work)
            await anyio.sleep(0.05)
            await client.aclose()
        assert codes <= {"closed", "unreachable"}

    for _ in range(5):
        anyio.run(main)


def test_a_block_that_raises_rolls_back(db: Client) -> None:
    def failing() -> None:
        with db.transaction() as transaction:
            transaction.kv().set("k", "v")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        failing()
    assert db.kv().get("k") is None
    with db.transaction("snapshot") as transaction:
        transaction.kv().set("k", "v")
        transaction.rollback()
    assert (db.kv().get("k"), transaction.written) == (None, None)
    with db.transaction() as transaction:
        transaction.kv().set("k", "v")
    assert transaction.written is not None
    with pytest.raises(MantisError) as caught:
        transaction.kv().get("k")
    assert caught.value.code == "transaction-not-open"


BACKENDS: list[Callable[[Callable[[], Awaitable[None]]], None]] = [lambda main: anyio.run(main), trio.run]


@pytest.mark.parametrize("run", BACKENDS)
def test_a_cancelled_task_leaves_no_transaction_open(server: Server, db: Client, run: Any) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:

            async def wait(transaction: AsyncTransaction) -> None:
                await transaction.kv().set("k", "v")
                scope.cancel()
                await anyio.sleep_forever()

            with anyio.CancelScope() as scope:
                await client.transact(wait)
            assert scope.cancelled_caught
            assert await client.kv().get("k") is None
            assert (await client.stats())["http"]["transactions_open"] == 0

    run(main)


def test_a_task_that_asyncio_cancels_leaves_no_transaction_open(server: Server, db: Client) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client:
            entered = asyncio.Event()

            async def wait(transaction: AsyncTransaction) -> None:
                await transaction.kv().set("k", "v")
                entered.set()
                await asyncio.Event().wait()

            task = asyncio.create_task(client.transact(wait))
            await entered.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await client.stats())["http"]["transactions_open"] == 0

    asyncio.run(main())


def test_requests_cancelled_at_random_leave_no_connection_in_use(server: Server, db: Client) -> None:
    async def main() -> None:
        limits = Limits(connections_max=4)
        async with AsyncClient(server.url, limits=limits, timeouts=Timeouts(pool=LOST_SECONDS)) as client:
            db.kv().set("k", b"x" * 200_000)
            for number in range(200):
                with anyio.move_on_after(number % 10 / 1_000):
                    await client.kv().get("k")
                    async with client.kv().stream("k") as stream:
                        async for _ in stream:
                            pass
            async with anyio.create_task_group() as tasks:
                for _ in range(4):
                    tasks.start_soon(client.kv().get, "k")

    anyio.run(main)


def test_more_transactions_than_there_may_be_are_waited_for_and_then_refused() -> None:
    server = Server("--transactions-max", "1")
    try:
        with Client(server.url, retry=Retry(attempts_max=2)) as client:
            first = client.transaction()
            with pytest.raises(MantisError) as caught:
                client.transaction()
            assert (caught.value.code, caught.value.status) == ("transactions-too-many", 429)
            first.rollback()
            client.transact(lambda transaction: transaction.kv().set("k", "v"))
    finally:
        server.stop()


def test_a_feed_goes_on_after_a_server_that_was_killed(durable: Server) -> None:
    with Client(durable.url) as client:
        kv = client.kv()
        with client.changes(prefix="k") as feed:
            for number in range(30):
                if number % 10 == 9:
                    durable.kill()
                    durable.start()
                kv.set(f"k{number}", "v")
            found = [next(feed).key for _ in range(30)]
    assert found == [f"k{number}".encode() for number in range(30)]


def test_calls_go_on_after_a_server_that_was_stopped(durable: Server) -> None:
    patient = Retry(attempts_max=1_000, pause_seconds_max=0.2, elapsed_seconds_max=LOST_SECONDS)
    with Client(durable.url, retry=patient) as client:
        kv = client.kv()
        for number in range(3):
            kv.set("k", str(number))
            durable.stop()
            restarted = threading.Thread(target=durable.start)
            restarted.start()
            assert kv.get("k") == str(number).encode()
            restarted.join()


def test_an_async_feed_goes_on_after_a_server_that_was_killed(durable: Server) -> None:
    async def main() -> None:
        async with AsyncClient(durable.url) as client:
            await client.kv().set("k0", "v")
            feed = client.changes("earliest")
            assert (await anext(feed)).key == b"k0"
            durable.kill()
            await anyio.to_thread.run_sync(durable.start)
            await client.kv().set("k1", "v")
            assert (await anext(feed)).key == b"k1"
            await feed.aclose()
            assert [change async for change in feed] == []

    anyio.run(main)


def test_a_feed_that_is_waited_for_ends_when_another_thread_closes_it(db: Client) -> None:
    feed = db.changes()
    feed.ready()
    ended = threading.Event()

    def read() -> None:
        assert list(feed) == []
        ended.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    time.sleep(0.05)
    feed.close()
    assert ended.wait(LOST_SECONDS)
    feed.close()


@pytest.mark.parametrize("run", BACKENDS)
def test_a_feed_that_is_waited_for_ends_with_its_client(server: Server, run: Any) -> None:
    async def main() -> None:
        client = AsyncClient(server.url)
        feed = client.changes()
        await feed.ready()

        async def read() -> None:
            assert [change async for change in feed] == []

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(0.05)
            await client.aclose()

    run(main)


def test_closed_feeds_free_their_places(db: Client) -> None:
    for _ in range(20):
        with db.changes():
            pass
    eventually(lambda: bool(db.stats()["http"]["streams_open"] == 0))


def test_a_wait_for_a_change_that_is_given_up_loses_none(server: Server, db: Client) -> None:
    async def main() -> None:
        async with AsyncClient(server.url) as client, client.changes() as feed:
            for number in range(5):
                with anyio.move_on_after(0.02):
                    await anext(feed)
                    raise AssertionError("nothing was written")
                await client.kv().set("k", str(number))
                assert (await anext(feed)).value == str(number).encode()

    anyio.run(main)


def test_a_feed_that_a_signal_closes_ends(db: Client) -> None:
    feed = db.changes()
    feed.ready()
    before = signal.signal(signal.SIGALRM, lambda *_: feed.close())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        assert list(feed) == []
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_value_beyond_the_limit_is_refused_by_its_name(db: Client) -> None:
    for size, code in ((17 * 2**20, "value-too-large"), (40 * 2**20, "body-too-large")):
        with pytest.raises(MantisError) as caught:
            db.kv().set("k", bytes(size))
        assert (caught.value.code, caught.value.status, caught.value.outcome_unknown) == (code, 413, False)


def test_a_header_that_cannot_be_sent_is_an_argument(server: Server) -> None:
    with Client(server.url, headers={"X-Mine": "a\nb"}) as client, pytest.raises(MantisError) as caught:
        client.kv().get("k")
    assert caught.value.code == "argument-invalid"


def test_a_feed_of_a_cursor_that_is_gone_says_so(db: Client) -> None:
    with pytest.raises(MantisError) as caught:
        next(db.changes("ffffffffffffffff-1"))
    assert (caught.value.code, caught.value.kind, caught.value.status) == ("compacted", "compacted", 410)


ORDERS = {
    "columns": [
        {"name": "id", "type": "bigint", "identity": True},
        {"name": "since", "type": "text"},
        {"name": "total", "type": "numeric"},
    ],
    "primary_key": ["id"],
}


@pytest.fixture
def orders(db: Client) -> Client:
    for table in db.tables():
        db.drop_table(table["name"])
    assert db.create_table("orders", ORDERS)
    assert not db.create_table("orders", ORDERS)
    return db


def test_rows_and_keys_are_written_in_one_commit(orders: Client, server: Server) -> None:
    with Client(server.url, parse_float=Decimal) as db:
        applied = db.batch(
            [
                Increment("orders", bucket="counts"),
                InsertRows("orders", {"since": "now", "total": Decimal("12.30")}, select="id,total"),
                SelectRows("orders", "id=eq.$1", [Made(1, "id")], select="since"),
            ]
        )
    assert isinstance(applied, Applied)
    number, inserted, selected = applied.results
    assert (number.number, inserted.inserted, inserted.rows) == (1, 1, [{"id": 1, "total": Decimal("12.30")}])
    assert selected.rows == [{"since": "now"}]
    rejected = orders.batch([SelectRows("orders", matches=5), Set("k", "v")])
    assert isinstance(rejected, Rejected)
    assert (rejected.refusals[0].matched, orders.kv().get("k")) == (1, None)


def test_a_feed_of_rows_shows_what_its_filter_selects(orders: Client) -> None:
    with orders.table_changes("orders", filters=[("since", 'eq.a,"(b)'), ("select", "id")]) as feed:
        rows = [{"since": "x"}, {"since": 'a,"(b)'}]
        orders.batch([InsertRows("orders", rows)])
        change = next(feed)
    assert (change.kind, change.row, change.matches_new) == ("insert", {"id": 2}, True)


def test_rows_of_postgrest_py_belong_to_a_transaction(orders: Client) -> None:
    from postgrest import SyncPostgrestClient

    with orders.transaction() as transaction:
        headers = {"Mantisdb-Transaction": transaction.id}
        with SyncPostgrestClient(f"{orders.url}/rest/v1", headers=headers) as rows:
            rows.from_("orders").insert({"since": "now"}).execute()
            assert rows.from_("orders").select("since").execute().data == [{"since": "now"}]
        transaction.kv().set("k", "v")
        transaction.rollback()
    with SyncPostgrestClient(f"{orders.url}/rest/v1") as rows:
        assert rows.from_("orders").select("*").execute().data == []


def test_plugins_are_installed_called_and_rolled_back(db: Client) -> None:
    component = COMPONENT.read_bytes()
    plugin = db.plugin("board")
    first = plugin.put(component, buckets={"leaderboard": "write"}, expect="absent")
    assert (first.state, first.version, db.plugins()) == ("ready", 1, [plugin.show()])
    with pytest.raises(MantisError) as caught:
        plugin.put(component, expect="absent")
    assert caught.value.code == "precondition-failed"
    assert plugin.call("submit", ["ann", 7]) == 1
    assert plugin.call("submit", {"player": "bob", "score": 9}) == 1
    called = plugin.invoke("top", [1])
    assert (called.value[0]["player"], called.version > 0) == ("bob", True)
    with pytest.raises(MantisError) as caught:
        plugin.call("submit", ["", 1])
    assert (caught.value.code, caught.value.value) == ("plugin-error", "a player's name has 1 to 64 bytes")
    assert plugin.put(component, limits={"call_deadline_ms": 500}, expect=first.revision).version == 2
    assert plugin.rollback().version == 1
    plugin.remove()
    with pytest.raises(MantisError) as caught:
        plugin.show()
    assert (caught.value.code, caught.value.kind) == ("plugin-not-found", "not-found")


def test_a_backup_is_restored(db: Client, tmp_path: pathlib.Path) -> None:
    db.kv().set("k", "v")
    with db.backup() as backup, (tmp_path / "backup").open("wb") as file:
        for piece in backup:
            file.write(piece)
    assert backup.media_type == "application/vnd.mantisdb.backup"
    assert (tmp_path / "backup").stat().st_size > 0


def test_health_and_figures(db: Client) -> None:
    health = db.health()
    assert (health.healthy, health.reason) == (True, None)
    assert db.stats()["pool"]["total_connections"] > 0


def test_a_request_id_is_that_of_the_server_s_log(server: Server) -> None:
    with Client(server.url, headers={"X-Request-Id": "mine-1"}) as client, pytest.raises(MantisError) as caught:
        client.drop_bucket("default")
    told = (caught.value.code, caught.value.status, caught.value.request_id)
    assert told == ("bucket-reserved", 422, "mine-1")


def test_nobody_listens() -> None:
    with Client("http://127.0.0.1:9") as client, pytest.raises(MantisError) as caught:
        client.kv().set("k", "v")
    assert (caught.value.code, caught.value.status, caught.value.outcome_unknown) == ("unreachable", None, False)
