"""A node's status in words: where it is, who is missing, and what one more failure would do."""

from __future__ import annotations

import time

import msgspec

from ledger.validators import Tolerance
from node.commands.answers import read_answer
from node.commands.failures import printable
from node.commands.tolerance import beyond


class _Head(msgspec.Struct):
    height: int
    block_hash: str
    time_ms: int


class _Tolerance(msgspec.Struct):
    stopped: int
    double_signing: int


class _Deciding(msgspec.Struct):
    height: int
    round: int
    leader: str
    prepared: list[str]
    committed: list[str]
    timed_out: list[str]
    missing: list[str]


class _Peer(msgspec.Struct):
    node_key: str
    validator: str | None
    deciding: int


class _Impact(msgspec.Struct):
    sentence: str


class _SetChange(msgspec.Struct):
    proposal: int
    activation_height: int
    impact: _Impact


class _Mempool(msgspec.Struct):
    transactions: int


class StatusAnswer(msgspec.Struct):
    """The answer of `/v1/status`, as far as commands read it."""

    network: str
    chain: str
    head: _Head
    role: str
    reason: str
    validator: str | None
    n: int
    q: int
    tolerance: _Tolerance
    sentence: str
    deciding: _Deciding
    explanation: str
    mempool: _Mempool
    peers: list[_Peer]
    pending_set_change: _SetChange | None = None


def parse_status(body: bytes) -> StatusAnswer:
    """The answer of `/v1/status`. Raises `MalformedError` for another."""
    return read_answer(body, StatusAnswer)


def describe(body: bytes) -> str:
    """The answer of `/v1/status` as lines for people. Raises like `parse_status`."""
    status = parse_status(body)
    age_seconds = max(0, time.time_ns() // 1_000_000 - status.head.time_ms) // 1_000
    deciding = status.deciding
    lines = [
        f"chain      {status.chain} ({status.network})",
        f"height     {status.head.height}, {age_seconds} s ago, block {status.head.block_hash}",
        f"role       {status.role}{f' as {status.validator}' if status.validator else ''}: {status.reason}".rstrip(
            ": "
        ),
        f"quorum     {status.sentence}",
        f"one more   {beyond(Tolerance(status.n, status.q))}",
        f"reach      {_reach(status)}",
        *_coming(status.pending_set_change),
        f"deciding   height {deciding.height}, round {deciding.round}, led by {deciding.leader}",
        f"           prepare votes: {_names(deciding.prepared)}; commit votes: {_names(deciding.committed)}; "
        f"timeouts: {_names(deciding.timed_out)}",
        f"           no vote seen from: {_names(deciding.missing)}",
        f"waiting    {status.explanation}",
        f"mempool    {status.mempool.transactions} transactions",
        *(
            f"peer       {peer.validator or peer.node_key[:16]} deciding height {peer.deciding}"
            for peer in status.peers
        ),
    ]
    return "\n".join(map(printable, lines))


def _coming(change: _SetChange | None) -> list[str]:
    """A change of the set that is decided."""
    if change is None:
        return []
    return [
        f"coming     proposal {change.proposal}, from height {change.activation_height} on: {change.impact.sentence}"
    ]


def _reach(status: StatusAnswer) -> str:
    """How many validators this node is connected to, itself included, and what one more failure would do."""
    names = {peer.validator for peer in status.peers if peer.validator} | ({status.validator} - {None})
    there = f"{len(names)} of {status.n} validators"
    if status.validator is None:
        return f"{there}: a follower needs one of them to follow" + ("" if names else ", and has none")
    spare = len(names) - status.q
    if spare < 0:
        return f"{there}: {-spare} too few for the quorum of {status.q}, so nothing is appended"
    if spare == 0:
        return f"{there}: one more failure stops the chain until it is back"
    return f"{there}: after one more failure blocks are still appended"


def _names(names: list[str]) -> str:
    return ", ".join(names) or "none"
