"""Pure work that all machines of a run would do again: verifying a signature, decoding a payload. Done once.

Signatures are real. That two machines ask the same question of the same bytes is no reason to answer it twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ledger import crypto
from ledger.consensus import codec
from ledger.consensus.messages import ConsensusMessage
from ledger.errors import LedgerError
from ledger.primitives import PublicKey, Signature
from node.replica import hearing

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


@contextmanager
def shared_decoder(memory: Memory) -> Iterator[None]:
    """Let all replicas decode consensus payloads through `memory`, which gives the same values."""
    original = hearing.decode_message
    hearing.decode_message = memory.decode  # type: ignore[assignment]  # called with the payload alone
    try:
        yield
    finally:
        hearing.decode_message = original
