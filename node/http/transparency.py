"""The transparency log over HTTP: tiles and bundles as C2SP has them, raw proofs, and files that others' tools verify.

What is served here is of committed blocks, and committed blocks are final: so tiles, bundles, and proofs between given
sizes never change, also partial ones, and those of positions that no checkpoint covers yet.
"""

from __future__ import annotations

from ledger.block import Header, parse_leaf
from ledger.log.checkpoint import log_origin
from ledger.log.policy import validators_policy
from ledger.log.proof import build_log_proof
from ledger.log.tiles import TILE_WIDTH, TileName, encode_bundle, tile_width
from ledger.merkle import prove_consistency, prove_inclusion, root_at
from ledger.primitives import Digest
from ledger.validators import ValidatorSet
from node.http import render
from node.http.call import OCTETS, PLAIN_TEXT, Answer, Caching, Call
from node.http.parameters import FROM_SIZE, LOG_INDEX, LOG_SIZE, TILE, TILE_LEVEL, TO_SIZE, TRANSACTION_ID
from node.http.problems import HttpCode, Problem, ProblemError
from node.storage.log_entries import read_entries
from node.storage.log_tiles import read_tile


def checkpoint(call: Call) -> Answer:
    """GET /checkpoint: the newest with a quorum of cosignatures."""
    published = call.node.checkpoint()
    if published is None:
        raise ProblemError(Problem(HttpCode.CHECKPOINT_UNKNOWN, "the validators have cosigned no block yet"))
    headers = {"Checkpoint-Height": str(published.height)}
    return Answer(published.note.encode(), media_type=PLAIN_TEXT, headers=headers)


def proof(call: Call) -> Answer:
    """GET /v1/transactions/{id}/tlog-proof: a file for the newest checkpoint."""
    transaction_id = call.path(TRANSACTION_ID)
    index = position_of(call, transaction_id)
    published = call.node.checkpoint()
    if published is None or published.checkpoint.size <= index:
        covered = 0 if published is None else published.checkpoint.size
        detail = f"the transaction is number {index} of the log, and the newest checkpoint covers {covered}"
        raise ProblemError(Problem(HttpCode.CHECKPOINT_UNKNOWN, detail))
    (entry,) = _entries(call, index, index + 1)
    path = prove_inclusion(index, published.checkpoint.size, call.queries.chain.log_reader())
    document = build_log_proof(entry=entry, index=index, path=path, note=published.note)
    headers = {
        "Checkpoint-Height": str(published.height),
        "Content-Disposition": f'attachment; filename="{transaction_id.hex()[:16]}.tlog-proof"',
    }
    return Answer(document, media_type=PLAIN_TEXT, headers=headers)


def tile(call: Call) -> Answer:
    """GET /tile/<L>/<N>[.p/<W>]."""
    level, name = call.path(TILE_LEVEL), call.path(TILE)
    _check_tile(call, level, name)
    hashes = read_tile(call.queries.chain.store, level, name.index, width=name.width)
    return Answer(hashes, media_type=OCTETS, caching=Caching.IMMUTABLE)


def bundle(call: Call) -> Answer:
    """GET /tile/entries/<N>[.p/<W>]."""
    name = call.path(TILE)
    _check_tile(call, 0, name)
    start = name.index * TILE_WIDTH
    entries = _entries(call, start, start + name.width)
    return Answer(encode_bundle(entries), media_type=OCTETS, caching=Caching.IMMUTABLE)


def inclusion(call: Call) -> Answer:
    """GET /v1/proofs/inclusion."""
    asked, index = call.query(TRANSACTION_ID), call.query(LOG_INDEX)
    if (asked is None) == (index is None):
        raise _wrong(LOG_INDEX.name, "give either the id of a transaction or an index of the log")
    if asked is not None:
        index = position_of(call, asked)
    assert index is not None
    size = _size(call, LOG_SIZE.name, call.query(LOG_SIZE))
    if index >= size:
        if call.query(LOG_SIZE) is None:
            raise _too_large(call, f"index {index} is")
        raise _wrong(LOG_SIZE.name, f"a log of {size} transactions does not have the index {index}")
    chain = call.queries.chain
    (entry,) = _entries(call, index, index + 1)
    hashes = chain.log_reader()
    document = {
        "index": index,
        "size": size,
        "root": root_at(size, hashes).hex(),
        "leaf": parse_leaf(entry).to_json(),
        "leaf_hash": hashes(0, index).hex(),
        "path": [item.hex() for item in prove_inclusion(index, size, hashes)],
    }
    return Answer(render.to_bytes(document), caching=_caching(call.query(LOG_SIZE)))


def consistency(call: Call) -> Answer:
    """GET /v1/proofs/consistency."""
    given = call.required(FROM_SIZE)
    new = _size(call, TO_SIZE.name, call.query(TO_SIZE))
    old = _size(call, FROM_SIZE.name, given)
    if old > new:
        raise _wrong(FROM_SIZE.name, f"{old} is above the size to which the proof leads, {new}")
    hashes = call.queries.chain.log_reader()
    document = {
        "from": old,
        "to": new,
        "from_root": root_at(old, hashes).hex(),
        "to_root": root_at(new, hashes).hex(),
        "path": [item.hex() for item in prove_consistency(old, new, hashes)],
    }
    return Answer(render.to_bytes(document), caching=_caching(call.query(TO_SIZE)))


def policy(call: Call) -> Answer:
    """GET /v1/log/policy: the tlog-policy of the set in force, or of the one in force after a block."""
    chain = call.queries.chain
    asked = call.height()
    header = chain.header(chain.tip.header.height if asked is None else asked)
    validators = chain.validators_of(header.height + 1)
    comment = _comment(chain.genesis.network, header, validators)
    document = validators_policy(log_origin(chain.genesis), validators).encode(comment=comment)
    return Answer(document, media_type=PLAIN_TEXT, caching=Caching.NEVER if asked is None else Caching.IMMUTABLE)


def position_of(call: Call, transaction_id: Digest) -> int:
    """The index in the log of a committed transaction. Raises `ProblemError`."""
    chain = call.queries.chain
    place = chain.locate(transaction_id)
    if place is None:
        detail = f"transaction {transaction_id.hex()} is in no block of this node"
        raise ProblemError(Problem(HttpCode.TRANSACTION_NOT_COMMITTED, detail))
    header = chain.header(place.height)
    return header.log_size - header.transaction_count + place.index


def _check_tile(call: Call, level: int, name: TileName) -> None:
    """Raise `ProblemError` unless the log has a tile of this width."""
    size = _newest_size(call)
    if tile_width(level, name.index, size) < name.width:
        detail = f"the log of {size} transactions does not fill {name.width} of tile {name.index} of level {level}"
        raise ProblemError(Problem(HttpCode.TILE_UNKNOWN, detail))


def _entries(call: Call, start: int, stop: int) -> list[bytes]:
    return read_entries(call.queries.chain.store, start, stop, log_size=_newest_size(call))


def _newest_size(call: Call) -> int:
    return call.queries.chain.tip.header.log_size


def _size(call: Call, name: str, given: int | None) -> int:
    """A size of the log that was asked for, the newest without one. Raises `ProblemError`."""
    newest = _newest_size(call)
    if given is not None and given > newest:
        raise _too_large(call, f"{name} {given} is")
    return newest if given is None else given


def _caching(given: int | None) -> Caching:
    return Caching.NEVER if given is None else Caching.IMMUTABLE


def _wrong(name: str, detail: str) -> ProblemError:
    return ProblemError(Problem(HttpCode.PARAMETER_INVALID, f"{name}: {detail}"))


def _too_large(call: Call, what: str) -> ProblemError:
    detail = f"{what} beyond the {_newest_size(call)} transactions of the log of this node"
    return ProblemError(Problem(HttpCode.LOG_SIZE_UNKNOWN, detail))


def _comment(network: str, header: Header, validators: ValidatorSet) -> str:
    """What people should know who find the policy in a file."""
    return (
        f"quorum-ledger, network {network!r}: the validators in force after block {header.height}.\n"
        f"Any {validators.quorum} of the {len(validators)} must have cosigned a checkpoint.\n"
        "Trust it only as far as you trust where it came from: compare it with the operators' copy."
    )
