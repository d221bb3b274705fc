"""A chain with something of every kind on it, and what to ask for to find it."""

from __future__ import annotations

from ledger.amounts import Amount
from ledger.operations.assets import AssetDefine, AssetFreezeHolder, AssetIssue
from tests.unit.ledger.founders import founder
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.http.proposing import SUSPEND, Proposing, entry
from tests.unit.node.http.test_evidence import accuse, report
from tests.unit.node.storage.chains import append, create_stream, transaction

NEEDED = {
    "/v1/streams/{stream}/latest": {"key": "k"},
    "/v1/state": {"key": "account/org0"},
    "/v1/state/versions": {"key": "stream/invoices"},
    "/v1/proofs/state": {"key": "account/org0"},
    "/v1/proofs/consistency": {"from": "1"},
    "/v1/proofs/inclusion": {"index": "0"},
}
"""The parameters without which a query of these routes has no success."""


def fill(node: FakeNode) -> dict[str, str]:
    """Append to a chain that is at its beginning. Returns a value of every path parameter that names what is there."""
    node.grow(2)
    sent = transaction(
        append("1", key="k"),
        append("2"),
        AssetDefine("org0", "euro", 2, Amount(1_000)),
        AssetIssue("org0", "euro", "org0", Amount(500)),
        AssetIssue("org0", "euro", "org1", Amount(1)),
        AssetFreezeHolder("org0", "euro", "org2"),
        nonce=1,
    )
    node.append(sent)
    node.append(transaction(append("refused", by=1), sender=1, nonce=2), transaction(create_stream("z"), nonce=3))
    evidence = accuse(0, 1)
    node.append(report(evidence, by=1))
    node.found = (evidence, accuse(2, 3))
    people = Proposing(node)
    people.get_ready(entry("v0", operator="org0"))
    people.propose(SUSPEND)
    people.decide(SUSPEND)
    node.publish()
    return {
        "id": sent.id.hex(),
        "block": "3",
        "account": "org0",
        "stream": "invoices",
        "asset": "euro",
        "number": "1",
        "validator": "v0",
        "digest": evidence.digest.hex(),
        "revision": "1",
        "accused_height": "1",
        "level": "0",
        "tile": "000.p/1",
        "key": founder(0).card.validator.consensus_key.hex(),
    }
