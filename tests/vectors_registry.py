"""Golden vectors: for every signed or hashed format, inputs and the exact bytes that they must give for ever.

`VECTORS` names them; each is a function of no arguments that computes its document from the code as it is, without
clock or randomness. `tests/vectors/<name>.json` is what it was when it was last agreed on. `tests/unit/test_vectors.py`
compares the two, `scripts/vectors` shows the differences, and `scripts/vectors --rewrite` accepts them: a change of
a format is an explicit act that a reviewer sees.

To add a format: write a function here (or import one), and give it a row in `VECTORS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec.structs import asdict

from ledger import merkle, trie
from ledger.block import Header, Leaf, block_hash, encode_header, encode_leaf, leaf_hash
from ledger.block_proof import build_block_proof
from ledger.consensus import codec
from ledger.consensus.messages import (
    CommitCertificate,
    CommitRecord,
    CommitVote,
    ConsensusMessage,
    PrepareCertificate,
    PrepareVote,
    Proposal,
    ProposedBlock,
    TimeoutCertificate,
    TimeoutEntry,
    TimeoutVote,
    VoteSignature,
)
from ledger.consensus.statements import (
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    SigningContext,
    Statement,
    TimeoutStatement,
    signed_bytes,
)
from ledger.crypto import SigningKey, check_public_key, digest, tag, verify
from ledger.encoding import Json, encode
from ledger.framing import pack
from ledger.genesis import genesis_block
from ledger.light_client import build_light_update
from ledger.limits import INTEGER_MAX
from ledger.log.signed_note import cosigned_bytes
from ledger.log.tiles import TileName, encode_bundle
from ledger.operations.streams import StreamCreate
from ledger.pinned_checkpoint import build_pinned_checkpoint
from ledger.primitives import ZERO_DIGEST, Digest, PublicKey, Signature
from ledger.rows.accounts import account_key
from ledger.rows.streams import latest_key
from ledger.split_view import Side, build_split_view
from tests.unit.ledger.accusing import CONTRADICTIONS, accuse
from tests.unit.ledger.crafted_signatures import by_cryptography, by_sodium, crafted_cases
from tests.unit.ledger.exporting import export_of
from tests.unit.ledger.founders import founder, founders, genesis_of
from tests.unit.ledger.log.sample_log import TIME_S, numbered_leaf, sample_log
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain
from tests.unit.ledger.transaction_vectors import envelopes, governance, no_envelopes, state_rows

DIRECTORY = Path(__file__).parent / "vectors"


def numbered(number: int) -> Digest:
    """A digest to be recognised in hex: 32 times the same byte."""
    return Digest(bytes([number]) * 32)


def canonical_json() -> Json:
    """Documents of the profile, as Python writes them, and their canonical bytes."""
    documents: list[Json] = [
        None,
        True,
        0,
        -1,
        INTEGER_MAX,
        -INTEGER_MAX,
        "",
        "é € 😀 \u2028",
        '\0\b\t\n\f\r\x1f"\\/\x7f',
        [],
        {},
        {"b": 1, "a": [1, {"z": None, "A": False}], "": "empty key", "a1": {}, "_": 2},
    ]
    return [{"document": document, "canonical": encode(document).hex()} for document in documents]


TAGS = (
    "block",
    "card",
    "checkpoint",
    "consensus",
    "entity-key",
    "envelope",
    "evidence",
    "genesis",
    "justification",
    "key check",
    "proposal",
    "ready",
    "state-key",
    "state-node",
    "state-value",
    "transaction",
    "validator",
    "validators",
)
"""Every domain tag in use: no two formats may share one."""


def digests() -> Json:
    """The domain tags, and a digest under each."""
    return [
        {"thing": thing, "tag": tag(thing).hex(), "payload": "00ff", "digest": digest(tag(thing), b"\0\xff").hex()}
        for thing in TAGS
    ]


def framing() -> Json:
    """Sequences of byte strings."""
    sequences = [[], [b""], [b"a", b"", b"bc"], [bytes(300)]]
    return [{"items": [item.hex() for item in items], "packed": pack(items).hex()} for items in sequences]


def consensus_statements() -> Json:
    """The bytes that validators sign, with a signature over each."""
    contexts = [SigningContext(numbered(0xC4), 0), SigningContext(numbered(0xC4), 2**32 - 1)]
    statements: list[Statement] = [
        ProposalStatement(1, 0, numbered(0xB1), ZERO_DIGEST),
        ProposalStatement(2**53 - 1, 2**31 - 1, numbered(0xB1), numbered(0x31)),
        PrepareStatement(7, 2, numbered(0xB1), numbered(0x31)),
        CommitStatement(7, 2, numbered(0xB1)),
        TimeoutStatement(7, 2, -1, ZERO_DIGEST),
        TimeoutStatement(7, 2, 1, numbered(0xB1)),
    ]
    key = SigningKey(bytes(range(32)))
    return [
        {
            "type": type(statement).__name__,
            "chain": context.chain.hex(),
            "epoch": context.epoch,
            "fields": {name: hex_of(value) for name, value in asdict(statement).items()},
            "signed_bytes": signed_bytes(context, statement).hex(),
            "public_key": key.public_key.hex(),
            "signature": key.sign(signed_bytes(context, statement)).hex(),
        }
        for context in contexts
        for statement in statements
    ]


def consensus_messages() -> Json:
    """Every message and certificate of consensus in canonical JSON. The signatures are filler, not signatures."""
    filler = tuple(VoteSignature(index, Signature(bytes([index]) * 64)) for index in range(3))
    signature = filler[1].signature
    block, justification = numbered(0xB1), numbered(0x31)
    prepared = PrepareCertificate(7, 1, block, justification, filler)
    entries = tuple(TimeoutEntry(item.validator, 1, block, item.signature) for item in filler)
    with_block = TimeoutCertificate(7, 2, entries, prepared)
    free_entries = tuple(TimeoutEntry(item.validator, -1, ZERO_DIGEST, item.signature) for item in filler)
    free = TimeoutCertificate(7, 0, free_entries, None)
    proposed = ProposedBlock(encode_header(example_header()), (numbered(8), numbered(9)))
    fresh, again = ProposalStatement(7, 0, block, ZERO_DIGEST), ProposalStatement(7, 3, block, justification)
    messages: list[ConsensusMessage] = [
        Proposal(fresh, 1, signature, None, proposed),
        Proposal(again, 1, signature, with_block, None),
        PrepareVote(PrepareStatement(7, 2, block, justification), 1, signature),
        CommitVote(CommitStatement(7, 2, block), 1, signature),
        TimeoutVote(TimeoutStatement(7, 2, 1, block), 1, signature, prepared),
        TimeoutVote(TimeoutStatement(7, 0, -1, ZERO_DIGEST), 1, signature, None),
        with_block,
        free,
    ]
    record = CommitRecord(proposed.header, CommitCertificate(7, 3, block, filler), (with_block, free))
    return {
        "messages": [codec.encode_message(message).decode() for message in messages],
        "prepare_certificate": codec.encode_prepare_certificate(prepared).decode(),
        "commit_record": codec.encode_commit_record(record).decode(),
        "justification_digests": [codec.justification_digest(item).hex() for item in (None, with_block, free)],
    }


def hex_of(value: object) -> Json:
    """Bytes as hex, and numbers and text as they are."""
    if isinstance(value, bytes):
        return value.hex()
    assert isinstance(value, int | str)
    return value


def example_header() -> Header:
    """A header whose every field is to be recognised."""
    return Header(
        version=1,
        chain=numbered(1),
        epoch=0,
        height=42,
        parent_hash=numbered(2),
        round=3,
        proposer="anna",
        time_ms=1_800_000_000_000,
        transaction_count=5,
        log_size=99,
        log_root=numbered(3),
        state_root=numbered(4),
        validators_hash=numbered(5),
        next_validators_hash=numbered(6),
    )


def headers() -> Json:
    """Headers, their canonical bytes and block hashes."""
    first = genesis_block(genesis_of(4)).tip.header
    return [
        {"header": header.to_json(), "bytes": data.hex(), "block_hash": block_hash(data).hex()}
        for header in (example_header(), first)
        for data in (encode_header(header),)
    ]


def leaves() -> Json:
    """Leaves of the log, their canonical bytes and RFC 6962 leaf hashes."""
    some = [
        Leaf(1, 0, numbered(1), numbered(2), "applied"),
        Leaf(2**53 - 1, 999, numbered(3), numbered(4), "stream_unknown"),
    ]
    return [
        {"leaf": leaf.to_json(), "bytes": encode_leaf(leaf).hex(), "leaf_hash": leaf_hash(leaf).hex()} for leaf in some
    ]


def merkle_log() -> Json:
    """Roots of growing trees over the entries b"0", b"1", ..., and inclusion and consistency proofs."""
    hashes = [merkle.leaf_hash(str(number).encode()) for number in range(13)]
    subtrees = {(level, index): item for level, index, item in merkle.perfect_subtrees(merkle.EMPTY_FRONTIER, hashes)}

    def read(level: int, index: int) -> Digest:
        return subtrees[level, index]

    return {
        "roots": [merkle.root_at(size, read).hex() for size in range(14)],
        "inclusion": [
            {"index": index, "size": size, "path": [item.hex() for item in merkle.prove_inclusion(index, size, read)]}
            for index, size in ((0, 1), (0, 2), (2, 3), (4, 7), (6, 7), (7, 8), (0, 13), (11, 13), (12, 13))
        ],
        "consistency": [
            {"old": old, "new": new, "path": [item.hex() for item in merkle.prove_consistency(old, new, read)]}
            for old, new in ((0, 5), (1, 2), (3, 7), (4, 7), (6, 8), (7, 13), (8, 13), (13, 13))
        ],
    }


def state_trie() -> Json:
    """Roots and proofs of states of growing size; the key b"absent" is in none of them."""
    samples: list[Json] = []
    for count in (0, 1, 2, 20, 300):
        state = {b"account/%d" % number: b"value %d" % number for number in range(count)}
        change = trie.update(trie.EMPTY, state, 1, lambda _version, _path: None)
        rows = dict(change.new_nodes)

        def read(_version: int, path: bytes, rows: Mapping[bytes, bytes] = rows) -> bytes | None:
            return rows.get(path)

        keys = [key for key in (b"account/0", b"account/7", b"absent") if key in state or key == b"absent"]
        proofs: list[Json] = [
            {
                "key": key.hex(),
                "value": state[key].hex() if key in state else None,
                "proof": trie.prove(change.root, key, read).to_json(),
            }
            for key in keys
        ]
        samples.append({"keys": count, "root": change.root.hash.hex(), "rows": len(rows), "proofs": proofs})
    return samples


def ed25519() -> Json:
    """Crafted signatures: what the ledger says, and what the two libraries say without our rule before them."""
    return [
        {
            "name": case.name,
            "public_key": case.key.hex(),
            "message": case.message.hex(),
            "signature": case.signature.hex(),
            "registered": check_public_key(PublicKey(case.key)),
            "accepted": check_public_key(PublicKey(case.key))
            and verify(PublicKey(case.key), case.message, Signature(case.signature)),
            "cryptography": by_cryptography(case.key, case.message, case.signature),
            "pynacl": by_sodium(case.key, case.message, case.signature),
        }
        for case in crafted_cases()
    ]


def genesis() -> Json:
    """A founder's card, and the genesis document of four; its hash is the chain id."""
    document = genesis_of(4)
    return {
        "card": founder(0).card.to_json(),
        "document": document.document.decode(),
        "chain": document.chain.hex(),
        "block_hash": genesis_block(document).tip.block_hash.hex(),
    }


def transactions() -> Json:
    """Envelopes of a small chain: exact bytes, signed bytes, id and envelope hash."""
    return [
        {
            "envelope": transaction.envelope.decode(),
            "signed_bytes": transaction.signed_bytes.hex(),
            "id": transaction.id.hex(),
            "envelope_hash": transaction.envelope_hash.hex(),
        }
        for _, block in sample_chain().blocks
        for transaction in block.transactions
    ]


def evidence() -> Json:
    """Evidence of every kind: its canonical bytes and digest."""
    chain = numbered(0xC4)
    accused = [accuse("v1", SigningKey(bytes(range(32))), chain, statements) for statements in CONTRADICTIONS]
    return [
        {"kind": str(item.kind), "bytes": encode(item.to_json()).decode(), "digest": item.digest.hex()}
        for item in accused
    ]


def receipts() -> Json:
    """One receipt of an applied transaction and one of a failed one."""
    chain = sample_chain()
    return [chain.receipt(3, 1).decode(), chain.receipt(3, 3).decode()]


def state_proofs() -> Json:
    """A state proof of the newest record of an entity key, and one that an account is not there."""
    chain = sample_chain()
    return [chain.state_proof(latest_key("notes", "k")).decode(), chain.state_proof(account_key("nobody")).decode()]


def light_updates() -> Json:
    """What leads from the first block of the sample chain to the last, and what proves the last one's transactions."""
    chain = sample_chain()
    (_, first), (record, last) = chain.blocks[0], chain.blocks[-1]
    known, size = first.header.log_size, last.header.log_size
    path = merkle.prove_consistency(known, size, chain.subtree_hash)
    leaves = [
        Leaf(last.header.height, index, item.id, item.envelope_hash, last.results[index])
        for index, item in enumerate(last.transactions)
    ]
    before = merkle.frontier_at(size - len(leaves), chain.subtree_hash)
    return {
        "light_update": build_light_update(trail=(), record=record, consistency=path).decode(),
        "block_proof": build_block_proof(record, leaves, before).decode(),
    }


def pinned_checkpoint() -> Json:
    """The file that pins the last block of the sample chain, its digest, and the hash of its block."""
    chain = sample_chain()
    made = build_pinned_checkpoint(
        network=chain.genesis.network, header=chain.tip.header, validators=chain.genesis.validators
    )
    return {"document": made.document.decode(), "digest": made.digest.hex(), "block_hash": made.block_hash.hex()}


def exports() -> Json:
    """The lines of an export of a chain of one transaction, and the proof that there is another chain."""
    one, other = MemoryChain(genesis_of(1)), MemoryChain(genesis_of(1))
    one.append(one.sign("org0", [founders(1)[0].operator_key], StreamCreate(by="org0", name="notes")))
    other.append()
    sides = [Side(chain.blocks[0][0], ()) for chain in (one, other)]
    return {
        "export": [line.decode() for line in export_of(one).splitlines()],
        "split_view": build_split_view(one.genesis.chain, *sides).decode(),
    }


def transparency_log() -> Json:
    """A log of 300 entries: its keys, a checkpoint with a quorum of cosignatures, its policy, a proof, and tiles."""
    log = sample_log(300)
    note = log.note((0, 1, 3))
    sizes = (1, 1000, 1_234_067)
    return {
        "origin": log.origin,
        "log_keys": [key.encode() for key in log.policy.logs],
        "cosigner_keys": [key.encode() for _, key in log.policy.witnesses],
        "cosigned_bytes": cosigned_bytes(log.checkpoint().text, TIME_S).decode(),
        "checkpoint": note.encode().decode(),
        "empty_checkpoint": log.note(size=0).encode().decode(),
        "policy": log.policy.encode(comment="a comment").decode(),
        "proof": log.proof(77, note).decode(),
        "consistency": {"from": 131, "to": 300, "path": [item.hex() for item in log.consistency(131)]},
        "bundle": encode_bundle([numbered_leaf(index) for index in range(2)]).hex(),
        "tile_paths": [TileName(index, width).encode() for index in sizes for width in (256, 7)],
    }


VECTORS: dict[str, Callable[[], Json]] = {
    "canonical_json": canonical_json,
    "digests": digests,
    "framing": framing,
    "consensus_statements": consensus_statements,
    "consensus_messages": consensus_messages,
    "headers": headers,
    "leaves": leaves,
    "merkle_log": merkle_log,
    "state_trie": state_trie,
    "ed25519": ed25519,
    "genesis": genesis,
    "transactions": transactions,
    "envelopes": envelopes,
    "no_envelopes": no_envelopes,
    "governance": governance,
    "state_rows": state_rows,
    "evidence": evidence,
    "receipts": receipts,
    "state_proofs": state_proofs,
    "light_updates": light_updates,
    "pinned_checkpoint": pinned_checkpoint,
    "exports": exports,
    "transparency_log": transparency_log,
}


def path_of(name: str) -> Path:
    """Where the agreed form of a vector stands."""
    return DIRECTORY / f"{name}.json"


def render(name: str) -> str:
    """The file that `name` has by the code as it is now."""
    return json.dumps(VECTORS[name](), indent=1, sort_keys=True) + "\n"
