"""A server for the tests: the program that `MANTISDB` names, or the one that cargo has built."""

from __future__ import annotations

import os
import pathlib
import re
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator

import pytest

from mantisdb import Client

ROOT = pathlib.Path(__file__).resolve().parents[3]
START_SECONDS = 60


class Server:
    """A server that can be killed and started again, on the same port."""

    def __init__(self, *options: str, data: pathlib.Path | None = None) -> None:
        self._options = options
        self._data = data
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1] if data else 0
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.start()

    def start(self) -> None:
        program = os.environ.get("MANTISDB") or str(ROOT / "target/debug/mantisdb")
        storage = ["--memory"] if self._data is None else ["--data", str(self._data)]
        command = [program, "serve", "--listen", f"127.0.0.1:{self._port}", *storage, *self._options]
        with tempfile.NamedTemporaryFile() as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            ends_at = time.monotonic() + START_SECONDS
            while time.monotonic() < ends_at and self._process.poll() is None:
                told = pathlib.Path(log.name).read_text(errors="replace")
                if found := re.search(r"http://127\.0\.0\.1:\d+", told):
                    self.url = found[0]
                    return
                time.sleep(0.02)
            raise AssertionError(f"{program} did not start: {told}")

    def kill(self) -> None:
        """As a power cut ends it."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def durable(tmp_path: pathlib.Path) -> Iterator[Server]:
    """A server of one test, whose data outlives it."""
    server = Server(data=tmp_path / "data")
    yield server
    server.stop()


@pytest.fixture
def db(server: Server) -> Iterator[Client]:
    """A client, and a database without keys."""
    with Client(server.url) as client:
        for bucket in client.buckets():
            client.kv(bucket.name).delete_span()
        yield client
