"""Measures the client beside redis-py, where Redis is installed, and prints a table.

    python bench.py [PATH_TO_MANTISDB] [REDIS_SERVER]

Single calls one after the other over one connection, and a batch of 100 beside a pipeline of 100 (`transaction=False`
beside `apply_each`, `transaction=True` beside `apply`). Both servers keep everything in memory. The time is the median
of rounds; the CPU is this process's, so that it is the client's alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from mantisdb import AsyncClient, Client, Get, Set

ROUNDS = 7
CALLS = 1_000
BATCHES = 100
KEYS = [f"key/{number:03}" for number in range(100)]
VALUE = b"x" * 100


@contextlib.contextmanager
def mantisdb(program: str) -> Iterator[str]:
    """The address of a server."""
    with tempfile.TemporaryFile() as log:
        command = [program, "serve", "--memory", "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            for _ in range(500):
                log.seek(0)
                if found := re.search(rb"http://127\.0\.0\.1:\d+", log.read()):
                    yield found[0].decode()
                    return
                time.sleep(0.02)
            raise SystemExit(f"{program} did not start")
        finally:
            process.terminate()
            process.wait()


@contextlib.contextmanager
def redis_server(program: str) -> Iterator[int]:
    """The port of a server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                yield port
                return
            time.sleep(0.02)
        raise SystemExit(f"{program} did not start")
    finally:
        process.terminate()
        process.wait()


def show(name: str, rounds: list[tuple[float, float]], calls: int) -> None:
    wall, cpu = (statistics.median(column) / calls * 1e6 for column in zip(*rounds, strict=True))
    print(f"| {name} | {wall:,.0f} | {cpu:,.0f} |", flush=True)


def measure(name: str, calls: int, call: Callable[[], object]) -> None:
    rounds = []
    for _ in range(ROUNDS + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(calls):
            call()
        rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
    show(name, rounds[1:], calls)


async def measure_async(url: str) -> None:
    async with AsyncClient(url) as db:
        kv = db.kv()
        rounds = []
        for _ in range(ROUNDS + 1):
            wall, cpu = time.perf_counter(), time.process_time()
            for _ in range(CALLS):
                await kv.get(KEYS[0])
            rounds.append((time.perf_counter() - wall, time.process_time() - cpu))
        show("AsyncClient get", rounds[1:], CALLS)


def main() -> None:
    root = pathlib.Path(__file__).resolve().parents[2]
    program = sys.argv[1] if len(sys.argv) > 1 else str(root / "target/release/mantisdb")
    redis_program = sys.argv[2] if len(sys.argv) > 2 else shutil.which("redis-server")
    print("| call | us | client CPU, us |\n|---|---|---|")
    with mantisdb(program) as url:
        with Client(url) as db:
            kv = db.kv()
            sets = [Set(key, VALUE) for key in KEYS]
            gets = [Get(key) for key in KEYS]
            measure("set", CALLS, lambda: kv.set(KEYS[0], VALUE))
            measure("get", CALLS, lambda: kv.get(KEYS[0]))
            measure("get_many of 100", BATCHES, lambda: kv.get_many(KEYS))
            measure("apply of 100 sets", BATCHES, lambda: kv.apply(sets))
            measure("apply_each of 100 sets", BATCHES, lambda: kv.apply_each(sets))
            measure("apply of 100 gets, with entries", BATCHES, lambda: kv.apply(gets))
        asyncio.run(measure_async(url))
    if redis_program is None:
        print("redis-server is not installed", file=sys.stderr)
        return
    try:
        import redis
    except ImportError:
        print("redis-py is not installed", file=sys.stderr)
        return
    with redis_server(redis_program) as port, redis.Redis(port=port) as peer:

        def pipelined(transaction: bool, fill: Callable[[redis.client.Pipeline, str], object]) -> None:
            with peer.pipeline(transaction=transaction) as pipeline:
                for key in KEYS:
                    fill(pipeline, key)
                pipeline.execute()

        measure("redis-py set", CALLS, lambda: peer.set(KEYS[0], VALUE))
        measure("redis-py get", CALLS, lambda: peer.get(KEYS[0]))
        measure("redis-py mget of 100", BATCHES, lambda: peer.mget(KEYS))
        measure("pipeline of 100 sets, MULTI", BATCHES, lambda: pipelined(True, lambda p, key: p.set(key, VALUE)))
        measure("pipeline of 100 sets", BATCHES, lambda: pipelined(False, lambda p, key: p.set(key, VALUE)))
        measure("pipeline of 100 gets", BATCHES, lambda: pipelined(False, lambda p, key: p.get(key)))


if __name__ == "__main__":
    main()
