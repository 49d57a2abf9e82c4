"""Runs scenarios with the Python client. A line of JSON comes in, a line of JSON goes out:

    {"open":{"url":..}}    a server with a new database
    {"step":{..}}          the step's line of the transcript

`python run.py threads` plays them with `Client`, `python run.py await` with `AsyncClient`: both take the same steps.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import pathlib
import re
import sys
from collections.abc import Callable
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "embed/python/src"))

from data import (
    ExactFloat,
    to_bytes,
    to_expect,
    to_filters,
    to_integer,
    to_key_operation,
    to_operation,
    to_optional,
    to_span,
    to_ttl,
    told_applied,
    told_batch,
    told_bytes,
    told_change,
    told_commit,
    told_entry,
    told_event,
    told_outcome,
)
from mantisdb import AsyncClient, Client, DeletedKeys, MantisError

# A feed that brings nothing for so long, after what is awaited of it, has come to its end.
QUIET_SECONDS = 0.05
# An awaited change that has not come after so long is lost.
LOST_SECONDS = 20.0
# Errors of tables have messages that are the same everywhere.
OF_TABLES = re.compile(r"PGRST\d+|[0-9A-Z]{5}|precondition-failed")


async def settled(value: Any) -> Any:
    """What a call of either client comes to."""
    return await value if inspect.isawaitable(value) else value


class Player:
    """Does a scenario's steps."""

    def __init__(self, database: Client | AsyncClient) -> None:
        self.database: Any = database
        self.transactions: dict[str, Any] = {}
        self.cursors: dict[str, str] = {}

    async def play(self, step: Any) -> Any:
        """The line that the step adds to the transcript."""
        try:
            return await self.run(step, step["operation"])
        except MantisError as error:
            told: dict[str, Any] = {"error": error.code}
            prefix = "" if error.operation is None else f"operation {error.operation}: "
            assert error.message.startswith(prefix), error.message
            if OF_TABLES.fullmatch(error.code):
                told["message"] = error.message[len(prefix) :]
            return told if error.operation is None else told | {"operation": error.operation}

    async def run(self, step: Any, operation: Any) -> Any:
        database = self.database
        match operation["op"]:
            case "begin":
                self.transactions[step["in"]] = await settled(database.transaction())
                return "begun"
            case "commit" | "commit-again":
                return told_commit("committed", await settled(self.transactions[step["in"]].commit()))
            case "rollback":
                await settled(self.transactions[step["in"]].rollback())
                return "rolled back"
            case "buckets":
                return {"buckets": [[bucket.name, bucket.keys] for bucket in await settled(database.buckets())]}
            case "drop-bucket":
                return told_keys(await settled(database.drop_bucket(step["bucket"])))
            case "changes":
                return await self.changes(step, operation)
            case "row-changes":
                return await self.row_changes(step, operation)
            case "batch":
                operations = operation["ops"]
                applied = await settled(self.within(step).batch([to_operation(form) for form in operations]))
                return told_batch(operations, applied)
            case "create-table":
                return {"created": await settled(database.create_table(operation["table"], operation["schema"]))}
            case "alter-table":
                await settled(database.alter_table(operation["table"], operation["changes"]))
                return "altered"
            case "drop-table":
                await settled(database.drop_table(operation["table"]))
                return "dropped"
            case "describe-table":
                return {"table": await settled(database.describe_table(operation["table"]))}
            case "tables":
                return {"tables": [table["name"] for table in await settled(database.tables())]}
        return await self.on_bucket(step, operation, self.within(step).kv(step["bucket"]))

    def within(self, step: Any) -> Any:
        """The transaction that the step belongs to, or the database."""
        return self.database if step["in"] is None else self.transactions[step["in"]]

    async def on_bucket(self, step: Any, operation: Any, kv: Any) -> Any:
        key = to_bytes(operation["key"]) if "key" in operation else b""
        match operation["op"]:
            case "get":
                return {"value": told_bytes(await settled(kv.get(key)))}
            case "get-entry":
                return {"entry": told_entry(await settled(kv.get_entry(key)))}
            case "get-many":
                values = await settled(kv.get_many([to_bytes(one) for one in operation["keys"]]))
                return {"values": [told_bytes(value) for value in values]}
            case "set":
                return told_commit("written", await settled(kv.set(key, to_bytes(operation["value"]))))
            case "set-with":
                options = {
                    "media_type": operation["media_type"],
                    "ttl": to_ttl(operation["ttl_ms"]),
                    "expect": to_expect(operation["if"]),
                }
                return told_outcome(await settled(kv.set_with(key, to_bytes(operation["value"]), **options)))
            case "delete":
                deleted = await settled(kv.delete(key))
                return {"deleted": deleted.existed} | told_commit("version", deleted)
            case "delete-if":
                return told_outcome(await settled(kv.delete_if(key, to_expect(operation["if"]))))
            case "increment":
                counted = await settled(kv.increment(key, to_integer(operation["by"])))
                return {"number": counted.number} | told_commit("version", counted)
            case "scan":
                page = await settled(kv.scan(**self.scan_options(operation)))
                entries = [[told_bytes(one.key), told_bytes(one.value), one.version] for one in page.entries]
                return {"entries": entries, "more": self.keep(step, page.cursor)}
            case "scan-keys":
                page = await settled(kv.scan_keys(**self.scan_options(operation)))
                return {"keys": [told_bytes(one) for one in page.keys], "more": self.keep(step, page.cursor)}
            case "count":
                return {"count": await settled(kv.count(**to_span(operation["span"])))}
            case "delete-span":
                return told_keys(await settled(kv.delete_span(**to_span(operation["span"]))))
            case "apply":
                operations = [to_key_operation(form) for form in operation["ops"]]
                return told_applied(await settled(kv.apply(operations)))
        raise AssertionError(f"there is no {operation['op']}")

    async def changes(self, step: Any, operation: Any) -> Any:
        since = self.since(operation["since"])
        feed = self.database.changes(since, bucket=operation["of"], prefix=to_optional(operation["prefix"]))
        return await self.follow(step, since, feed, operation["limit"], told_change)

    async def row_changes(self, step: Any, operation: Any) -> Any:
        since = self.since(operation["since"])
        filters = to_filters(operation["filter"])
        if operation["select"]:
            filters.append(("select", operation["select"]))
        feed = self.database.table_changes(operation["table"], since, filters=filters)
        return await self.follow(step, since, feed, None, told_event)

    async def follow(self, step: Any, since: str, feed: Any, limit: int | None, tell: Callable[[Any], Any]) -> Any:
        """The changes that a feed brings: those that are awaited, however long they take, and what comes with them."""
        changes: list[Any] = []
        try:
            await settled(feed.ready() if isinstance(self.database, AsyncClient) else in_thread(feed.ready))
            while limit is None or len(changes) < limit:
                seconds = LOST_SECONDS if len(changes) < step["awaited"] else QUIET_SECONDS
                change = await self.next_within(seconds, feed)
                if change is None:
                    break
                changes.append(change)
        finally:
            await settled(feed.aclose() if isinstance(self.database, AsyncClient) else in_thread(feed.close))
        self.keep(step, changes[-1].cursor if changes else since)
        return {"changes": [tell(change) for change in changes], "at_end": None}

    async def next_within(self, seconds: float, feed: Any) -> Any:
        """The feed's next change, or None when that takes longer. A thread that waits is ended with the feed."""
        if isinstance(self.database, AsyncClient):
            following: asyncio.Future[Any] = asyncio.ensure_future(anext(feed))
        else:
            following = asyncio.ensure_future(in_thread(next, feed, None))
        done, _ = await asyncio.wait([following], timeout=seconds)
        if done:
            return following.result()
        if isinstance(self.database, AsyncClient):
            following.cancel()
            await asyncio.wait([following])
        return None

    def since(self, origin: Any) -> str:
        return "earliest" if origin is None else self.cursor(origin)

    def scan_options(self, operation: Any) -> dict[str, Any]:
        cursor = operation["cursor"]
        return to_span(operation["span"]) | {
            "reverse": operation["reverse"],
            "limit": operation["limit"],
            "cursor": None if cursor is None else self.cursor(cursor),
        }

    def cursor(self, origin: Any) -> str:
        """Made-up cursors are texts here, as real ones are."""
        if "step" in origin:
            return self.cursors[origin["step"]]
        made_up = origin["made-up"]
        return made_up if isinstance(made_up, str) else str(made_up["base64"])

    def keep(self, step: Any, cursor: str | None) -> bool:
        if step["as"] is not None and cursor is not None:
            self.cursors[step["as"]] = cursor
        return cursor is not None


async def in_thread(function: Callable[..., Any], *given: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, function, *given)


def told_keys(deleted: DeletedKeys) -> dict[str, Any]:
    return {"deleted_keys": deleted.keys} | told_commit("version", deleted)


async def main(kind: str) -> None:
    player: Player | None = None

    async def close() -> None:
        if player is not None:
            database = player.database
            await settled(database.aclose() if isinstance(database, AsyncClient) else database.close())

    while line := await in_thread(sys.stdin.readline):
        asked = json.loads(line)
        answer: Any = "open"
        if "open" in asked:
            await close()
            url = asked["open"]["url"]
            is_async = kind == "await"
            player = Player((AsyncClient if is_async else Client)(url, parse_float=ExactFloat))
        else:
            assert player is not None
            answer = await player.play(asked["step"])
        print(json.dumps(answer), flush=True)
    await close()


asyncio.run(main(sys.argv[1]))
