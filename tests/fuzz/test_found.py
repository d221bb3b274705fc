"""What hostile bytes once found: each of these inputs came out as something that is not documented."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.encoding import expect_string
from ledger.errors import MalformedError
from node.commands.findings_text import parse_findings
from node.commands.status_text import parse_status
from node.config import parse_endpoint
from node.http.parameters import VALIDATOR
from node.http.problems import ProblemError
from node.storage import keys
from node.storage.block_rows import read_outcomes
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.rows import seal
from tests.fuzz import samples


def _with(key: bytes, value: bytes) -> MemoryStore:
    return MemoryStore({**samples.network().rows, key: seal(key, value)})


_NESTED = b'{"unknown":%b%b}' % (b"[" * 3_000, b"]" * 3_000)

FOUND: dict[str, tuple[Callable[[], object], type[Exception]]] = {
    "a port of more digits than Python reads": (lambda: parse_endpoint("h:" + "9" * 5_000, "it"), MalformedError),
    "half a character in a string": (lambda: expect_string("\udc80", what="it", bytes_max=9), MalformedError),
    "half a character in a parameter": (lambda: VALIDATOR.read("\udc80"), ProblemError),
    "a row that names no format": (lambda: open_chain(_with(keys.FORMAT, b"{}")), DamagedError),
    "a row that names no format in no JSON": (lambda: open_chain(_with(keys.FORMAT, b"\0")), DamagedError),
    "a tip of six bytes": (lambda: open_chain(_with(keys.TIP, bytes(6))), DamagedError),
    "a status that is nested deeper than Python goes": (lambda: parse_status(_NESTED), MalformedError),
    "findings that are nested deeper than Python goes": (lambda: parse_findings(_NESTED), MalformedError),
    "a result that is not ASCII": (
        lambda: read_outcomes(_with(keys.outcomes(1, 0), bytes(64) + b"\xff"), 1, 0, 1),
        DamagedError,
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_it_is_documented_now(name: str) -> None:
    act, error = FOUND[name]
    with pytest.raises(error):
        act()
