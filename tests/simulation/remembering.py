"""Pure work that all machines of a run would do again: verifying a signature, decoding a payload, parsing genesis.

Signatures are real. That two machines ask the same question of the same bytes is no reason to answer it twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from unittest.mock import patch

from ledger import crypto, genesis
from ledger.consensus import codec
from ledger.consensus.messages import ConsensusMessage
from ledger.errors import LedgerError
from ledger.primitives import PublicKey, Signature
from node.replica import hearing
from node.storage import opening

_ENTRIES_MAX = 50_000


class Memory:
    """What was asked and answered in one run."""

    def __init__(self) -> None:
        self._signatures: dict[tuple[PublicKey, bytes, Signature], bool] = {}
        self._messages: dict[bytes, ConsensusMessage | LedgerError] = {}

    def verify(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """`ledger.crypto.verify`."""
        question = (key, message, signature)
        answer = self._signatures.get(question)
        if answer is None:
            if len(self._signatures) >= _ENTRIES_MAX:
                self._signatures.clear()
            answer = self._signatures[question] = crypto.verify(key, message, signature)
        return answer

    def decode(self, payload: bytes) -> ConsensusMessage:
        """`ledger.consensus.codec.decode_message`."""
        known = self._messages.get(payload)
        if known is None:
            if len(self._messages) >= _ENTRIES_MAX:
                self._messages.clear()
            try:
                known = codec.decode_message(payload)
            except LedgerError as error:
                known = error
            self._messages[payload] = known
        if isinstance(known, LedgerError):
            raise known.with_traceback(None)
        return known


_parse_genesis = cache(genesis.parse_genesis)


@contextmanager
def shared(memory: Memory) -> Iterator[None]:
    """Let all replicas decode consensus payloads through `memory`, and genesis once per process: the same values."""
    with (
        patch.object(hearing, "decode_message", memory.decode),
        patch.object(opening, "parse_genesis", _parse_genesis),
    ):
        yield
