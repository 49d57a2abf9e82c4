"""The Python of the guide and of the README runs as it is written."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from conftest import ROOT, Server

DOCUMENTS = ["docs/guides/python.md", "embed/python/README.md"]
ADDRESS = "http://127.0.0.1:8080"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_blocks_of_a_document_run(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / document).read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert blocks
    monkeypatch.chdir(ROOT)
    server = Server()
    names: dict[str, Any] = {}
    try:
        for block in blocks:
            code = block.replace(ADDRESS, server.url)
            at = text[: text.index(block)].count("\n")
            # Errors name the line of the document.
            exec(compile("\n" * at + code, os.fspath(ROOT / document), "exec"), names)
    finally:
        # What a reader's program keeps until its end.
        for kept in ("db", "rows"):
            if kept in names:
                names[kept].__exit__(None, None, None)
        server.stop()
