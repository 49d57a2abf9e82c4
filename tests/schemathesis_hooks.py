"""What schemathesis has to be told about this API: how a WebAssembly component is sent, and what one looks like."""

from pathlib import Path

import schemathesis
from hypothesis import strategies as st

COMPONENTS = Path(__file__).parent.parent / "guest" / "target" / "components"

schemathesis.openapi.media_type(
    "application/wasm", st.sampled_from(["counter", "leaderboard"]).map(lambda name: (COMPONENTS / f"{name}.wasm").read_bytes())
)


@schemathesis.serializer("application/wasm")
def component(_context, value):
    return value if isinstance(value, bytes) else str(value).encode()
