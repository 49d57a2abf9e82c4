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
def map_query(_context, query):
    """Without `raw`, which takes bodies of any form: those that are invalid are to be refused."""
    if isinstance(query, dict) and "ttl_ms" not in query and query.get("raw") in (True, "true"):
        return {name: value for name, value in query.items() if name != "raw"}
    return query


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
