"""What a schema cannot tell schemathesis about this API: what a WebAssembly component is, how much memory one needs, and that a change
has to happen for somebody who waits for one."""

from pathlib import Path
from threading import Timer
from urllib.parse import quote

import requests
import schemathesis
from hypothesis import strategies as st

COMPONENTS = Path(__file__).parent.parent / "guest" / "target" / "components"
NAMES = ["counter", "leaderboard", "procedures", "types"]
TABLES = ["books", "writers"]
# Rust gives a guest 1 MiB of stack and a page of data to begin with. With less memory such a component is no plugin (422).
MEMORY_BYTES_MIN = 17 * 65_536
# Objects of the document that stand for query parameters of any name.
OF_ANY_NAME = {"dialect", "view", "filters"}
DECIDING_FIRST = {"if-match", "if-none-match", "if-unmodified-since", "mantisdb-transaction", "last-event-id"}
OF_ROW_FEEDS = {"table", "since", "wait", "values", "progress", "encoding", "limit"}

schemathesis.openapi.media_type("application/wasm", st.sampled_from(NAMES).map(lambda name: (COMPONENTS / f"{name}.wasm").read_bytes()))


@schemathesis.serializer("application/wasm")
def component(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.hook.apply_to(operation_id="installPlugin")
def map_case(_context, case):
    """Gives valid requests the memory that their component needs."""
    memory = (case.query or {}).get("memory_bytes_max")
    if case.meta.generation.mode.is_positive and memory is not None and int(memory) < MEMORY_BYTES_MIN:
        case.query["memory_bytes_max"] = type(memory)(MEMORY_BYTES_MIN)
    return case


@schemathesis.hook
def filter_case(_context, case):
    """Without cases whose one fault is the type of a value among parameters with names of the client's own: in a query all are texts."""
    return not (case.meta.generation.mode.is_negative and getattr(case.meta.phase.data, "parameter", None) in OF_ANY_NAME)


@schemathesis.hook
def map_case(_context, case):
    """Leaves out what decides before the fault that a case is about: conditions that don't hold, transactions that are not open, cursors
    of another store. And headers without a text, which schemathesis sends where their pattern has more than letters and digits."""
    subject = getattr(case.meta.phase.data, "parameter", None)
    is_negative = case.meta.generation.mode.is_negative
    for name in list(case.headers or {}):
        if name.lower() != str(subject).lower() and (case.headers[name] == "" or is_negative and name.lower() in DECIDING_FIRST):
            del case.headers[name]
    return case


@schemathesis.hook.apply_to(operation_id_regex="^putKey")
def map_case(_context, case):
    """Invalid requests without `raw`, which takes bodies of any form."""
    if case.meta.generation.mode.is_negative and (case.query or {}).get("raw") in (True, "true"):
        del case.query["raw"]
    return case


@schemathesis.hook.apply_to(operation_id="followChanges")
def map_case(_context, case):
    """Valid requests follow a table or a bucket, not both, and without filters, which have a grammar of their own."""
    if case.meta.generation.mode.is_positive and "table" in (case.query or {}):
        for name in set(case.query) - OF_ROW_FEEDS:
            del case.query[name]
    return case


@schemathesis.hook
def map_path_parameters(_context, path_parameters):
    """Half of the tables that valid requests name are there: scripts/schemathesis.sh makes them."""
    table = (path_parameters or {}).get("table")
    if isinstance(table, str) and len(table) % 2 == 1:
        path_parameters["table"] = TABLES[len(table) // 2 % len(TABLES)]
    return path_parameters


@schemathesis.hook.apply_to(operation_id="followChanges")
def before_call(_context, case, _kwargs):
    """Writes what is waited for a moment later, so that a stream has an event and a long poll ends."""
    query = case.query or {}
    bucket, key = str(query.get("bucket", "default")), str(query.get("prefix", "")) + "a"
    url = f"{case.operation.base_url.rstrip('/')}/api/v1/buckets/{quote(bucket, safe='')}/kv/{quote(key, safe='')}"
    # What the filters of an invalid request name is refused like the request itself.
    Timer(0.1, requests.put, [url], {"data": b"1", "timeout": 5}).start()
