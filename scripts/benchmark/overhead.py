"""What a transaction costs a validator besides the verification of its signature: the saturation run without any.

The validators are started by `unverified`, and prove that they verify nothing before anything is measured: they append
a transaction whose signature is wrong, which a validator as it should be refuses.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from benchmark.network import Network, running
from benchmark.saturation import saturated
from benchmark.submitting import Submitter
from ledger.primitives import Signature
from ledger.refusals import Refusal
from ledger.transaction import KeySignature, assemble, parse_transaction

_COMMAND = (sys.executable, str(Path(__file__).with_name("unverified.py")))


def run(base_port: int, count: int, say: Callable[[str], None]) -> dict[str, object]:
    """Send `count` transactions to a network that verifies nothing; the figures by name."""
    say("starting validators that verify nothing")
    with running(base_port, command=_COMMAND) as network:
        asyncio.run(_prepare(network))
        say(f"signing {count} transactions, then sending them in batches")
        loaded = asyncio.run(saturated(network, network.load.records(count)))
    microseconds = loaded.used.validators / loaded.committed / network.layout.validators * 1e6
    return {
        "overhead_microseconds_per_transaction_and_validator": round(microseconds, 1),
        "overhead_transactions_per_second": round(loaded.committed / loaded.used.wall),
        "overhead_foreign_load": round(loaded.used.foreign_load, 3),
    }


async def _prepare(network: Network) -> None:
    """Register the clients, and see that no signature is verified. Raises `RuntimeError` when one is."""
    await network.load.prepare()
    async with Submitter(network.url(0)) as submitter:
        await submitter.commit(forged(network.load.records(1)[0]))


def forged(envelope: bytes) -> bytes:
    """The transaction with a signature that nobody made."""
    transaction = parse_transaction(envelope)
    assert not isinstance(transaction, Refusal), transaction
    (signature,) = transaction.signatures
    wrong = Signature(bytes([signature.signature[0] ^ 1]) + signature.signature[1:])
    body = envelope[len(b'{"body":') : envelope.rindex(b',"signatures":[')]
    return assemble(body, [KeySignature(signature.key, wrong)])
