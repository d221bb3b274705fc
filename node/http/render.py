"""Values become JSON here, and nowhere else in `node.http`. Every function gives the document of one schema.

Hex is lower case, times are `time_ms` with RFC 3339 beside it, and an envelope is put in as its exact bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeAlias, TypedDict

import orjson

from ledger.block import Header, Leaf
from ledger.chain import Tip
from ledger.consensus.messages import CommitRecord
from ledger.encoding import Json
from ledger.evidence import Evidence
from ledger.parameters import Parameters
from ledger.primitives import Digest, PublicKey
from ledger.rows.accounts import Account
from ledger.rows.assets import Asset, Balance
from ledger.rows.evidence import RecordedEvidence
from ledger.rows.streams import LatestRecord, Stream
from ledger.rows.validator_keys import ValidatorKey
from ledger.validators import Tolerance, Validator, ValidatorSet
from node.http.problems import Problem
from node.replica import ReplicaStatus
from node.storage.block_rows import LeafInHex
from node.storage.queries import CommittedTransaction, Record, StateVersion

Document: TypeAlias = Mapping[str, object]
"""What orjson can write: `Json`, and fragments of exact bytes in it."""

_RFC3339_MS_MAX = 253_402_300_799_999  # the last millisecond of the year 9999


def to_bytes(document: Document) -> bytes:
    """The JSON of a document."""
    return orjson.dumps(document)


@lru_cache(maxsize=1_024)
def rfc3339(time_ms: int) -> str:
    """A ledger time as RFC 3339 in UTC with milliseconds; times beyond its last year are shown as that."""
    seconds, milliseconds = divmod(min(time_ms, _RFC3339_MS_MAX), 1_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def timed(time_ms: int) -> dict[str, object]:
    """A ledger time, for machines and for people."""
    return {"time_ms": time_ms, "time": rfc3339(time_ms)}


def head(tip: Tip) -> dict[str, object]:
    """Where the chain is as the answer is given."""
    return {"height": tip.header.height, "block_hash": tip.block_hash.hex(), **timed(tip.header.time_ms)}


def page(items: Iterable[Document], next_cursor: str | None, tip: Tip) -> Document:
    """One page of any list."""
    return {"items": list(items), "next_cursor": next_cursor, "head": head(tip)}


# ---- transactions


def results(items: Iterable[Document]) -> Document:
    """The answer to a batch."""
    return {"results": list(items)}


def pending(transaction_id: Digest) -> Document:
    """A transaction of a batch that is held here."""
    return {"id": transaction_id.hex(), "state": "pending"}


def expired(transaction_id: Digest) -> Document:
    """A transaction of a batch that expired while it was waited for."""
    return {"id": transaction_id.hex(), "state": "expired"}


def applied(leaf: Leaf) -> Document:
    """A transaction of a batch that is in a block."""
    return {
        "id": leaf.transaction_id.hex(),
        "state": "committed",
        "result": leaf.result,
        "height": leaf.height,
        "index": leaf.index,
    }


def refusal(value: Problem) -> Document:
    """An envelope of a batch that is refused."""
    return {"state": "refused", **problem(value)}


def uncommitted(transaction_id: Digest, state: str, tip: Tip) -> Document:
    """The status of a transaction that is in no block."""
    return {"id": transaction_id.hex(), "state": state, "head": head(tip)}


def unknown(transaction_id: Digest, tip: Tip) -> dict[str, object]:
    """What the problem of an unknown transaction says beside the problem: the state, and as of when."""
    return dict(uncommitted(transaction_id, "unknown", tip))


def committed(item: CommittedTransaction) -> Document:
    """The status of a committed transaction: all of it is final."""
    return {
        "id": item.leaf.transaction_id.hex(),
        "state": "committed",
        **_place(item),
        "receipt": receipt_path(item.leaf.transaction_id),
        "transaction": orjson.Fragment(item.envelope),
    }


def listed_transaction(item: CommittedTransaction) -> Document:
    """A committed transaction in a list: what it was about, without its content."""
    body = _body(item)
    return {
        "id": item.leaf.transaction_id.hex(),
        **_place(item),
        "sender": body["sender"],
        "operations": [operation["type"] for operation in body["operations"]],
    }


class _Body(TypedDict):
    sender: str
    operations: list[dict[str, Json]]


def _body(item: CommittedTransaction) -> _Body:
    """What is shown of a transaction's body. It came through the door, and is served as it is: no second look."""
    body: _Body = orjson.loads(item.envelope)["body"]
    return body


def _place(item: CommittedTransaction) -> dict[str, object]:
    return {
        "envelope_hash": item.leaf.envelope_hash.hex(),
        "result": item.leaf.result,
        "height": item.leaf.height,
        "index": item.leaf.index,
        "block_hash": item.block_hash.hex(),
        **timed(item.header.time_ms),
    }


def transaction_path(transaction_id: Digest) -> str:
    """Where a transaction's status is."""
    return f"/v1/transactions/{transaction_id.hex()}"


def receipt_path(transaction_id: Digest) -> str:
    """Where a transaction's receipt is, once it is committed."""
    return f"/v1/transactions/{transaction_id.hex()}/receipt"


# ---- blocks


def listed_block(block_hash: Digest, header: Header, record: CommitRecord | None, signers: Sequence[str]) -> Document:
    """A block without its transactions; genesis has no commit record."""
    return {
        "height": header.height,
        "block_hash": block_hash.hex(),
        **timed(header.time_ms),
        "header": header.to_json(),
        "round": 0 if record is None else record.certificate.round,
        "signers": list(signers),
    }


def block(listed: Document, leaves: Iterable[LeafInHex]) -> Document:
    """A whole block, from what `listed_block` says of it: every transaction with its result."""
    transactions = [
        {"id": leaf.transaction_id, "envelope_hash": leaf.envelope_hash, "result": leaf.result} for leaf in leaves
    ]
    return {**listed, "transactions": transactions}


# ---- what is registered


def account(value: Account, height: int) -> Document:
    """An account as of after the block at `height`."""
    return {**value.to_json(), "height": height}


def stream(value: Stream, height: int) -> Document:
    """A stream as of after the block at `height`."""
    return {**value.to_json(), "height": height}


def asset(value: Asset, height: int) -> Document:
    """An asset as of after the block at `height`."""
    return {**value.to_json(), "height": height}


def balance(value: Balance, decimals: int, height: int) -> Document:
    """What an account holds of an asset, which has `decimals`, as of after the block at `height`."""
    return {**value.to_json(), "decimals": decimals, "height": height}


def record(value: Record) -> Document:
    """One record of a stream, with its content or the digest of it."""
    operation = _body(value.transaction)["operations"][value.operation]
    return {
        "stream": value.stream,
        "revision": value.revision,
        "key": operation.get("key"),
        **{name: operation[name] for name in ("content", "content_digest") if name in operation},
        "transaction_id": value.transaction.leaf.transaction_id.hex(),
        "height": value.transaction.leaf.height,
        "index": value.transaction.leaf.index,
        "operation": value.operation,
        "by": operation["by"],
        **timed(value.transaction.header.time_ms),
    }


def latest(value: LatestRecord, found: Record, height: int) -> Document:
    """The newest record of an entity key as of after the block at `height`."""
    return {
        "stream": value.stream,
        "key": value.key,
        "revision": value.revision,
        "record": record(found),
        "height": height,
    }


def state_row(key: bytes, value: bytes | None, height: int) -> Document:
    """The row of a state key as of after the block at `height`, as it stands in the state."""
    return {"key": key.decode("ascii"), "value": None if value is None else orjson.Fragment(value), "height": height}


def state_version(value: StateVersion) -> Document:
    """What a block wrote under a state key; null where it deleted the row."""
    row = None if value.value is None else orjson.Fragment(value.value)
    return {"value": row, "height": value.header.height, **timed(value.header.time_ms)}


def parameters(value: Parameters, height: int) -> Document:
    """The parameters in force after the block at `height`."""
    return {"parameters": value.to_json(), "height": height}


def validator(value: Validator, height: int, last_signed: int | None) -> Document:
    """An entry of the set in force after the block at `height`."""
    return {**value.to_json(), "last_signed_height": last_signed, "height": height}


def validator_key(key: PublicKey, value: ValidatorKey, height: int) -> Document:
    """Whose a key is or was, as of after the block at `height`."""
    return {"key": key.hex(), **value.to_json(), "height": height}


def recorded_evidence(value: RecordedEvidence, height: int) -> Document:
    """What the ledger has against a validator about one height, as of after the block at `height`."""
    return {
        "validator": value.validator,
        "accused_height": value.height,
        "kind": str(value.kind),
        "digest": value.digest.hex(),
        "recorded_height": value.recorded_height,
        "transaction_id": value.transaction_id.hex(),
        "file": evidence_path(value.digest),
        "height": height,
    }


def evidence_path(digest: Digest) -> str:
    """Where the portable file of evidence is."""
    return f"/v1/evidence/{digest.hex()}"


def validators(value: ValidatorSet, height: int, last_signed: Mapping[str, int | None]) -> Document:
    """The set and quorum in force after the block at `height`, and which block each last signed that we know of."""
    return {
        "height": height,
        "hash": value.hash.hex(),
        "quorum": value.quorum_rule.to_json(),
        **tolerance(value.tolerance),
        "validators": [
            {**validator.to_json(), "last_signed_height": last_signed.get(validator.name)}
            for validator in value.validators
        ],
    }


def tolerance(value: Tolerance) -> dict[str, object]:
    """What a set of validators survives: both numbers, and in plain words."""
    return {
        "n": value.validators,
        "q": value.quorum,
        "tolerance": {"stopped": value.stopped, "double_signing": value.double_signing},
        "sentence": value.sentence(),
    }


# ---- the node


def status(value: ReplicaStatus, *, network: str, tip: Tip, version: str) -> Document:
    """What this node is doing."""
    return {
        "network": network,
        "chain": value.chain.hex(),
        "version": version,
        "head": head(tip),
        "role": value.role.value,
        "reason": value.reason,
        "validator": value.validator,
        **tolerance(Tolerance(len(value.validators), value.quorum)),
        "deciding": {
            "height": value.deciding,
            "round": value.round,
            "leader": value.leader,
            "proposal_seen": value.proposal_seen,
            "prepared": list(value.prepared),
            "committed": list(value.committed),
            "timed_out": list(value.timed_out),
            "missing": list(value.missing),
        },
        "explanation": value.explanation,
        "mempool": {"transactions": value.mempool_transactions, "bytes": value.mempool_bytes},
        "peers": [
            {"node_key": peer.peer, "validator": peer.validator, "deciding": peer.height, "round": peer.round}
            for peer in value.peers
        ],
        "evidence_count": value.evidence_count,
    }


def evidence(value: Evidence, recorded: CommittedTransaction | None) -> Document:
    """Two contradictory statements of one validator, as they were signed, and where the ledger has them, if it does."""
    digest = value.digest.hex()
    return {
        "digest": digest,
        "kind": str(value.kind),
        "validator": value.validator,
        "height": value.height,
        "evidence": value.to_json(),
        "file": evidence_path(value.digest),
        "recorded": None
        if recorded is None
        else {
            "height": recorded.leaf.height,
            "index": recorded.leaf.index,
            "transaction_id": recorded.leaf.transaction_id.hex(),
            "by": _body(recorded)["sender"],
            **timed(recorded.header.time_ms),
        },
    }


def problem(value: Problem) -> dict[str, object]:
    """Problem details (RFC 9457)."""
    return value.to_json()


def event(height: int, name: str, data: Document) -> bytes:
    """One server-sent event (HTML Living Standard, section 9.2.6); JSON has no raw line break."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (height, name.encode(), to_bytes(data))
